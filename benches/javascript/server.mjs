// Workers in Node.js that say who they are.
//
//   server.mjs                under `sticky run`: a worker on the listener that it inherits
//   server.mjs PORT WORKERS   the classic recipe: a master accepts, chooses by the client's address,
//                             and hands the connection over
import { execFileSync } from 'node:child_process';
import cluster from 'node:cluster';
import http from 'node:http';
import net from 'node:net';
import process from 'node:process';

const HAND_OVER = 'sticky:connection';
const BACKLOG = 4096;

function answering(slot, mode) {
  return http.createServer((request, response) => {
    const { remoteAddress, remotePort } = request.socket;
    const peer = `${remoteAddress}:${remotePort}`;
    const body = JSON.stringify({ slot, pid: process.pid, peer, mode });
    response.writeHead(200, { 'Content-Length': body.length });
    response.end(body);
  });
}

function inheriting() {
  const { LISTEN_FDNAMES, STICKY_SLOT, STICKY_MODE } = process.env;
  const fd = 3 + LISTEN_FDNAMES.split(':').indexOf('listener');
  answering(Number(STICKY_SLOT), STICKY_MODE).listen({ fd }, () => {
    execFileSync('systemd-notify', ['--ready'], { stdio: 'inherit' });
  });
}

function master(port, count) {
  const workers = Array.from({ length: count }, (_, slot) => cluster.fork({ SLOT: slot }));
  const choose = (address) => Number(address.replaceAll('.', '')) % count;
  const server = net.createServer({ pauseOnConnect: true }, (connection) => {
    workers[choose(connection.remoteAddress)].send(HAND_OVER, connection);
  });
  server.listen({ port, host: '127.0.0.1', backlog: BACKLOG });
}

function worker() {
  const server = answering(Number(process.env.SLOT), 'recipe');
  process.on('message', (message, connection) => {
    // The client may have gone on the way.
    if (message !== HAND_OVER || !connection) return;
    server.emit('connection', connection);
    connection.resume();
  });
}

const [port, count] = process.argv.slice(2).map(Number);
if (cluster.isWorker) worker();
else if (port) master(port, count);
else inheriting();
