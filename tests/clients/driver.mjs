// Socket.IO clients that a test tells what to do, a line of JSON at a time.
//
// Input lines: { id, do, ... }. Output lines: { id, ok } or { id, error }, in the order in which
// things are done. Large texts and binary data are named by their length, { $text: n } and
// { $binary: n }, both ways: what is told of them has arrived to the last byte.
import { createInterface } from 'node:readline';
import { DEADLINE, client, once } from './clients.mjs';
import { collapse, expand } from './payload.mjs';

const clients = new Map();

const commands = {
  async connect({ name, url, address, transports }) {
    const socket = client(url, address, { transports });
    const heard = new Map();
    const one = { socket, heard, held: [], answers: undefined, wake: () => {} };
    socket.onAny((event, ...args) => {
      const ack = typeof args.at(-1) === 'function' ? args.pop() : undefined;
      if (!heard.has(event)) heard.set(event, []);
      heard.get(event).push(collapse(args[0]));
      if (ack) one.held.push(ack);
      release(one);
      one.wake();
    });
    socket.on('disconnect', () => one.wake());
    clients.set(name, one);
    return once(socket, socket, 'welcome');
  },

  /** Sends an event; what the server answers. */
  ask({ name, event, args }) {
    return clients.get(name).socket.timeout(DEADLINE).emitWithAck(event, ...args.map(expand));
  },

  /** What this client answers with from now on, if the server wants an answer; nothing: it waits. */
  answer({ name, value }) {
    const one = clients.get(name);
    one.answers = value;
    release(one);
  },

  /** Waits until an event has come so often, and gives all of them so far. */
  async heard({ name, event, atLeast }) {
    const one = clients.get(name);
    const heard = () => one.heard.get(event) ?? [];
    const state = () => `${event} came ${heard().length} times, not ${atLeast}`;
    await until(one, () => heard().length >= atLeast || !one.socket.connected, state);
    if (heard().length < atLeast) throw new Error(`${state()}: ${one.socket.failures.join('; ')}`);
    return heard();
  },

  async gone({ name }) {
    const one = clients.get(name);
    await until(one, () => !one.socket.connected, () => 'still connected');
    return one.socket.failures;
  },

  /** What went wrong with this client so far. */
  failures({ name }) {
    const { socket } = clients.get(name);
    return socket.connected ? socket.failures : [...socket.failures, 'not connected'];
  },

  leave({ name }) {
    clients.get(name).socket.disconnect();
  },
};

function release(one) {
  if (one.answers === undefined) return;
  for (const ack of one.held.splice(0)) ack(expand(one.answers));
}

function until(one, condition, state) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(state())), DEADLINE);
    const before = one.wake;
    one.wake = () => {
      before();
      if (!condition()) return;
      clearTimeout(timer);
      resolve();
    };
    one.wake();
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: what, ...input } = JSON.parse(line);
  const done = (result) => console.log(JSON.stringify({ id, ...result }));
  // Not awaited: what takes longer does not hold up what comes next.
  Promise.resolve().then(() => commands[what](input)).then(
    (ok) => done({ ok: collapse(ok) ?? null }),
    (error) => done({ error: `${what} ${input.name} ${input.event ?? ''}: ${error.message}` }),
  );
}
process.exit(0);
