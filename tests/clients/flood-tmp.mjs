// One client that sends faster than anybody can read, and members of a room who read as fast as they can.
//
// Input: { url, messages, sender: { address }, members: [{ address, transport }] }. Output, when every
// member has had all messages or was disconnected: of each member how many came, and the first that was
// not the next; and what went wrong with whom.
import { client, main, ask, once } from './clients.mjs';

const ROOM = 'flood';

await main(async ({ url, messages, sender, members }) => {
  const from = client(url, sender.address, { transports: ['websocket'] });
  await once(from, from, 'welcome');
  const all = await Promise.all(members.map((member) => join(url, member, messages)));
  for (let number = 0; number < messages; number += 1) {
    from.emit('say', { room: ROOM, text: String(number).padStart(20) });
  }
  const t=setInterval(()=>console.error(JSON.stringify(all.map(({came})=>came)), from.connected, from.failures),5000);t.unref(); await Promise.all(all.map((member) => member.done));
  return {
    came: all.map(({ came }) => came),
    wrong: all.map(({ wrong }) => wrong),
    failures: [from, ...all.map(({ socket }) => socket)].flatMap(({ failures }) => failures),
  };
});

async function join(url, { address, transport }, messages) {
  const socket = client(url, address, { transports: [transport] });
  await once(socket, socket, 'welcome');
  const answer = await ask(socket, 'join', ROOM);
  if (!answer.includes(ROOM)) throw new Error(`cannot join: ${JSON.stringify(answer)}`);
  const member = { socket, came: 0, wrong: null };
  member.done = new Promise((resolve) => {
    socket.on('said', ({ text }) => {
      if (Number(text) !== member.came && member.wrong === null) {
        member.wrong = `${Number(text)} came and not ${member.came}`;
      }
      member.came += 1;
      if (member.came === messages) resolve();
    });
    socket.on('disconnect', resolve);
  });
  return member;
}
