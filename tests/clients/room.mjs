// Members of a room at all workers: who is there, and who gets what is said.
//
// Input: { url, addresses, transports }. Each client says one message. Output: one object per
// client.
import { setTimeout as delay } from 'node:timers/promises';
import { DEADLINE, ask, client, main, once } from './clients.mjs';

const ROOM = 'lobby';

await main(async ({ url, addresses, transports }) => {
  const members = await Promise.all(addresses.map(async (address) => {
    const socket = client(url, address, { transports });
    const { slot, id } = await once(socket, socket, 'welcome');
    const member = { address, slot, id, socket, got: [], after: [] };
    socket.on('said', (said) => (said.text === 'after' ? member.after : member.got).push(said));
    member.rooms = await ask(socket, 'join', ROOM);
    return member;
  }));

  for (const member of members) {
    member.sent = await ask(member.socket, 'say', { room: ROOM, text: `from ${member.address}` });
  }
  member(0).who = await ask(member(0).socket, 'who', { room: ROOM });
  await until(() => members.every(({ got }) => got.length >= addresses.length));

  // Whoever has left hears no more; the others, asked last, have heard all by then.
  const leaver = member(0);
  leaver.roomsAfter = await ask(leaver.socket, 'leave', ROOM);
  await ask(member(1).socket, 'say', { room: ROOM, text: 'after' });
  await until(() => members.slice(1).every(({ after }) => after.length > 0));
  await Promise.all(members.map(({ socket }) => ask(socket, 'echo', 'last')));

  return members.map(({ socket, ...member }) => ({ ...member, failures: socket.failures }));

  function member(at) {
    return members[at];
  }
});

// Gives up silently: what is missing is in the result.
async function until(condition) {
  const end = Date.now() + DEADLINE;
  while (!condition() && Date.now() < end) await delay(10);
}
