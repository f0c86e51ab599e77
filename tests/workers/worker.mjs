// A worker in Node with nothing but its standard library. Node cannot write to a Unix datagram
// socket, so it lets systemd-notify say that it is ready.
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import process from 'node:process';

const { LISTEN_FDNAMES, LISTEN_PID, STICKY_SLOT, STICKY_MODE, STICKY_WORKERS } = process.env;
if (LISTEN_PID !== String(process.pid)) throw new Error('the sockets are for another process');

const server = http.createServer((request, response) => {
  const { remoteAddress, remotePort } = request.socket;
  response.setHeader('Connection', 'close');
  response.end(JSON.stringify({
    slot: Number(STICKY_SLOT),
    pid: process.pid,
    peer: `${remoteAddress}:${remotePort}`,
    mode: STICKY_MODE,
    workers: Number(STICKY_WORKERS),
    language: 'JavaScript',
  }));
});
const fd = 3 + LISTEN_FDNAMES.split(':').indexOf('listener');
server.listen({ fd }, () => execFileSync('systemd-notify', ['--ready'], { stdio: 'inherit' }));
process.on('SIGTERM', () => server.close());
