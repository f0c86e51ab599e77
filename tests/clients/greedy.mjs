// Clients that send and do not read: what their worker makes of it.
//
// Input: { url, address, messages, length }. A client over a WebSocket, and some that poll, ask for an
// echo of so many messages of so many letters each, and read none of it, until the server takes no
// more. Output: how much the worker's memory grew by that, in bytes, and how many messages it took.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { client, main, once } from './clients.mjs';

/** When nothing was taken for so long, no more will be, in milliseconds. */
const STILL = 3_000;

await main(async ({ url, address, messages, length }) => {
  const socket = client(url, address, { transports: ['websocket'] });
  const { pid } = await once(socket, socket, 'welcome');
  const before = resident(pid);
  const packet = `427${JSON.stringify(['echo', 'x'.repeat(length)])}`;

  const { ws } = socket.io.engine.transport;
  ws._socket.pause();
  for (let sent = 0; sent < messages; sent += 1) ws.send(packet);
  await still(() => ws.bufferedAmount);
  const taken = messages - Math.ceil(ws.bufferedAmount / length);

  const agent = new http.Agent({ localAddress: address, keepAlive: false });
  const path = '/socket.io/?EIO=4&transport=polling';
  const session = await opened(agent, url + path);
  let brought = 0;
  const bring = (async () => {
    for (; brought < messages; brought += 1) await request(agent, session, packet);
  })().catch(() => {});
  await still(() => brought);
  const accepted = brought;

  // The same without saying how much it is, and requests that are short and have long answers.
  const chunked = await opened(agent, url + path);
  const bringMore = (async () => {
    for (let count = 0; count < messages; count += 1) await request(agent, chunked, packet, true);
  })().catch(() => {});
  const asking = await opened(agent, url + path);
  for (let room = 0; room < 31; room += 1) {
    await request(agent, asking, `42${JSON.stringify(['join', String.fromCodePoint(0x10400 + room).repeat(64)])}`);
  }
  const joins = Array(60_000).fill('420["join","a"]').join('\x1e');
  const ask = request(agent, asking, joins).catch(() => {});
  await delay(STILL);

  const grown = resident(pid) - before;
  await Promise.all([bring, bringMore, ask]);
  return { grown, taken, brought: accepted };
});

/** Opens a session by long-polling and gives its address. */
async function opened(agent, url) {
  const { sid } = JSON.parse((await request(agent, url)).slice(1));
  await request(agent, `${url}&sid=${sid}`, '40');
  return `${url}&sid=${sid}`;
}

/** Waits until a number has not changed for a while. */
async function still(number) {
  for (let [last, since] = [NaN, Date.now()]; Date.now() - since < STILL; await delay(50)) {
    if (number() !== last) [last, since] = [number(), Date.now()];
  }
}

function resident(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) * 1024;
}

function request(agent, url, body, chunked = false) {
  return new Promise((resolve, reject) => {
    const sent = http.request(url, { agent, method: body === undefined ? 'GET' : 'POST' }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => { text += chunk; });
      answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    });
    sent.on('error', reject);
    if (chunked) sent.write(body.slice(0, 1));
    sent.end(chunked ? body.slice(1) : body);
  });
}
