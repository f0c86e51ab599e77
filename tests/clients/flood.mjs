// One client that sends faster than anybody can read, and members of a room.
//
// Input: { url, messages, length, sender, members: [{ address, transport, slow }] }; `length` is that of
// a message, and `sender` an address. A slow member pauses again and again. Output, when every member
// has had all messages or was disconnected: of each member how many came, and the first that was not the
// next; and what went wrong with whom.
import { ask, client, main, once } from './clients.mjs';

const ROOM = 'flood';
/** How long a slow member does not read, and then reads, in milliseconds. */
const [PAUSED, READING] = [40, 10];

await main(async ({ url, messages, length, sender, members }) => {
  const from = client(url, sender, { transports: ['websocket'] });
  await once(from, from, 'welcome');
  const all = await Promise.all(members.map((member) => join(url, member, messages)));
  for (let number = 0; number < messages; number += 1) {
    from.emit('say', { room: ROOM, text: String(number).padStart(length) });
  }
  await Promise.all(all.map(({ done }) => done));
  return {
    came: all.map(({ came }) => came),
    wrong: all.map(({ wrong }) => wrong),
    failures: [from, ...all.map(({ socket }) => socket)].flatMap(({ failures }) => failures),
  };
});

async function join(url, { address, transport, slow }, messages) {
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
  if (slow) readSlowly(socket.io.engine.transport.ws._socket);
  return member;
}

function readSlowly(stream) {
  stream.pause();
  setTimeout(() => {
    stream.resume();
    setTimeout(() => readSlowly(stream), READING);
  }, PAUSED);
}
