// Many clients at once: each opens a session, sends messages, and says who served it.
//
// Input: { url, addresses, transports, messages }. Output: one object per client.
import { ask, client, main, once } from './clients.mjs';

async function session({ url, transports, messages }, address) {
  const socket = client(url, address, { transports });
  const welcome = await once(socket, socket, 'welcome');
  const upgrades = transports.length > 1;
  const upgraded = upgrades && socket.io.engine.transport.name === 'polling'
    ? once(socket, socket.io.engine, 'upgrade')
    : undefined;

  let answered = 0;
  const converse = async () => {
    for (let number = 0; number < messages; number += 1) {
      const message = { number, text: `${address} ü`, list: [1, null, 'x'.repeat(number * 100)] };
      const answer = await ask(socket, 'echo', message);
      if (JSON.stringify(answer) === JSON.stringify(message)) answered += 1;
    }
  };
  await converse();
  await upgraded;
  await converse();
  const who = await ask(socket, 'whoami');
  socket.disconnect();
  return { address, welcome: welcome.slot, answered, failures: socket.failures, ...who };
}

await main((input) => Promise.all(input.addresses.map(async (address) => {
  try {
    return await session(input, address);
  } catch (error) {
    return { address, failures: [error.message] };
  }
})));
