// Socket.IO's own server: `socketio.mjs PORT`. It says who it is, and sends back what it gets.
import http from 'node:http';
import process from 'node:process';
import { Server } from 'socket.io';

const BACKLOG = 4096;

const server = http.createServer((request, response) => {
  const { remoteAddress, remotePort } = request.socket;
  const peer = `${remoteAddress}:${remotePort}`;
  const body = JSON.stringify({ slot: 0, pid: process.pid, peer, mode: 'socket.io' });
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
  response.end(body);
});
// As the others, which keep a connection as long as its client does; Node's default is 5 s.
server.keepAliveTimeout = 0;

const io = new Server(server, { serveClient: false });
io.on('connection', (socket) => {
  socket.on('echo', (any, answer) => answer(any));
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: BACKLOG });
