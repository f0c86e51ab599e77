// A crowd at work while something happens to the server: what it noticed.
//
// Input: { url, pause, polling, pollingKeepAlive, websocket, upgrading, keepAlive, perRequest }. The last
// six are lists of { address, slot }: where a client connects from, and which slot has to serve it
// (`url` may be given for each as well). The first four are Socket.IO clients, which send a message,
// wait for its acknowledgement and for `pause` milliseconds, and so on; the last two ask for /whoami
// likewise, over one connection as long as the server lets them, or each time over a new one. Nobody
// repeats a request; Socket.IO clients connect again by themselves, as the official client does.
//
// Output: the line "running" when all are at work, and again after each line "again" on standard input
// when all have had an answer since; then, after the line "stop" and when all Socket.IO clients are
// connected, one object.
import { requests } from './watch.mjs';
import http from 'node:http';
import { once as event } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { DEADLINE, ask, client, main } from './clients.mjs';

/** Reasons for which a session may end without anything being wrong. */
const ORDERLY = ['transport close'];

const crowd = {
  // Of Socket.IO clients.
  acked: 0, // messages
  unanswered: 0, // messages of sessions that ended before the acknowledgement came
  connects: 0,
  disconnects: {}, // how often, by reason
  mostDisconnects: 0, // of one client
  errors: [],
  // Of those who ask for /whoami.
  answers: 0,
  // Of all.
  wrongSlots: [],
};

let stopped = false;
let pause = 0;

class Member {
  constructor(kind, { url, address, slot }, options) {
    this.name = `${kind} ${address}`;
    const keepAlive = kind === 'pollingKeepAlive';
    const agent = new http.Agent({ localAddress: address, keepAlive });
    this.socket = client(url, address, { agent, reconnection: true, ...options });
    this.socket.on('connect', () => { crowd.connects += 1; });
    let disconnects = 0;
    this.socket.on('connect_error', (error) => {
      // It comes back by itself, and has lost no session.
      if (isTurnedAway(error)) return;
      crowd.errors.push(`${this.name}: connect_error: ${error.message}`);
    });
    this.socket.on('disconnect', (reason) => {
      crowd.disconnects[reason] = (crowd.disconnects[reason] ?? 0) + 1;
      disconnects += 1;
      crowd.mostDisconnects = Math.max(crowd.mostDisconnects, disconnects);
      if (!ORDERLY.includes(reason)) crowd.errors.push(`${this.name}: disconnect: ${reason}`);
    });
    this.socket.on('welcome', (welcome) => check(this.name, welcome, slot));
    this.done = this.work();
  }

  async work() {
    const { socket } = this;
    for (let number = 0; !stopped; number += 1) {
      if (!socket.connected) await Promise.race([once(socket, 'connect'), stop]);
      if (!socket.connected) continue;
      const { id } = socket;
      try {
        const answer = await ask(socket, 'echo', { number });
        if (answer.ok?.number !== number && answer.number !== number) {
          crowd.errors.push(`${this.name}: another answer: ${JSON.stringify(answer)}`);
        }
        crowd.acked += 1;
        this.begins?.();
      } catch (error) {
        crowd.unanswered += 1;
        if (socket.id === id) crowd.errors.push(`${this.name}: no answer: ${error.message}`);
      }
      await delay(pause);
    }
  }

  /** Whether it is connected in the end, and gets an answer. */
  async isThere() {
    const { socket } = this;
    const end = Date.now() + DEADLINE;
    while (Date.now() < end) {
      if (!socket.connected) await Promise.race([once(socket, 'connect'), delay(end - Date.now())]);
      try {
        await ask(socket, 'echo', 'last');
        return true;
      } catch {
        // It was on its way out.
      }
    }
    return false;
  }
}

/** By a worker that drains, which opens no session. */
function isTurnedAway({ description }) {
  return description === 408 || description?.message === 'Unexpected server response: 503';
}

function once(socket, name) {
  return new Promise((resolve) => { socket.once(name, resolve); });
}

function check(name, { slot, pid }, expected) {
  if (slot !== expected) crowd.wrongSlots.push(`${name}: slot ${slot} (${pid}), not ${expected}`);
}

/** Asks for /whoami again and again. */
class Asker {
  constructor(kind, { url, address, slot }) {
    this.name = `${kind} ${address}`;
    const keepAlive = kind === 'keepAlive';
    const agent = new http.Agent({ localAddress: address, keepAlive, maxSockets: 1 });
    this.done = this.work(`${url}/whoami`, agent, slot);
  }

  async work(url, agent, slot) {
    while (!stopped) {
      try {
        const asked = http.request(url, { agent }).end();
        const [response] = await event(asked, 'response');
        const parts = await response.toArray();
        if (response.statusCode === 200) {
          crowd.answers += 1;
          check(this.name, JSON.parse(Buffer.concat(parts)), slot);
          this.begins?.();
        }
      } catch {
        // Counted by the watch.
      }
      await delay(pause);
    }
    agent.destroy();
  }
}

/** Resolves when each has had an answer, or when it is no use to wait. */
function allAtWork(everybody) {
  const begun = everybody.map((one) => new Promise((resolve) => { one.begins = resolve; }));
  return Promise.race([Promise.all(begun), delay(DEADLINE), stop]);
}

const commands = createInterface({ input: process.stdin });
const stop = new Promise((resolve) => {
  commands.on('line', (line) => { if (line === 'stop') resolve(); });
}).then(() => { stopped = true; });

await main(async (input) => {
  pause = input.pause ?? 0;
  const all = (kind, make) => (input[kind] ?? [])
    .map((one) => make(kind, { url: input.url, ...one }));
  const by = (...transports) => (kind, one) => new Member(kind, one, { transports });
  const members = [
    ...all('polling', by('polling')),
    ...all('pollingKeepAlive', by('polling')),
    ...all('websocket', by('websocket')),
    ...all('upgrading', by('polling', 'websocket')),
  ];
  const ask = (kind, one) => new Asker(kind, one);
  const everybody = [...members, ...all('keepAlive', ask), ...all('perRequest', ask)];
  await allAtWork(everybody);
  console.log('running');
  commands.on('line', (line) => {
    if (line === 'again') allAtWork(everybody).then(() => console.log('running'));
  });
  await stop;
  await Promise.all(everybody.map(({ done }) => done));
  const there = await Promise.all(members.map((member) => member.isThere()));
  return { ...crowd, requests, members: members.length, connected: there.filter(Boolean).length };
});
