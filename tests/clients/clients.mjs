// Socket.IO clients, each from an address of its own.
import http from 'node:http';
import { io } from 'socket.io-client';

/**
 * For anything that a test waits for, in milliseconds. It is for a loaded machine, and shorter than
 * the test's own patience with this script, so that the script can say what it waited for.
 */
export const DEADLINE = 45_000;

/**
 * A client that connects from `address`. Each request of long-polling is a new connection
 * (no keep-alive), so that each of them has to find its way to the session.
 */
export function client(url, address, options = {}) {
  const agent = new http.Agent({ localAddress: address, keepAlive: false });
  const socket = io(url, {
    agent,
    localAddress: address, // of the WebSocket
    forceNew: true,
    reconnection: false, // a lost connection is a failure, not to be glossed over
    timeout: DEADLINE,
    ...options,
  });
  socket.failures = [];
  const failed = (what) => (error) => {
    const answer = error?.context?.responseText ?? error?.description?.message ?? '';
    socket.failures.push(`${address}: ${what}: ${error?.message ?? error} ${answer}`);
  };
  socket.on('connect_error', failed('connect_error'));
  socket.on('disconnect', (reason, details) => {
    if (reason !== 'io client disconnect') failed(`disconnect, ${reason}`)(details);
  });
  return socket;
}

/** Waits for an event of a socket or an engine; fails with what went wrong instead. */
export function once(socket, emitter, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => give(`no "${event}"`), DEADLINE);
    const give = (why) => reject(new Error(`${why}: ${socket.failures.join('; ')}`));
    socket.once('connect_error', () => give('not connected'));
    socket.once('disconnect', () => give('disconnected'));
    emitter.once(event, (value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

/** Sends an event and waits for the acknowledgement. */
export function ask(socket, event, ...what) {
  return socket.timeout(DEADLINE).emitWithAck(event, ...what);
}

/** Runs `work` with the input of the test, prints what it gives, and ends. */
export async function main(work) {
  const result = JSON.stringify(await work(JSON.parse(process.argv[2])));
  // Not before a reader has taken what a pipe cannot hold.
  process.stdout.write(`${result}\n`, () => process.exit(0));
}
