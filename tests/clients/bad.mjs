// A client that sends packets which make no sense.
//
// Input: { url, address, packet, times }. Output: null, when the server has taken them all.
import { ask, client, main, once } from './clients.mjs';

await main(async ({ url, address, packet, times }) => {
  const socket = client(url, address, { transports: ['websocket'] });
  await once(socket, socket, 'welcome');
  const { ws } = socket.io.engine.transport;
  ws._socket.cork(); // all at once
  for (let sent = 0; sent < times; sent += 1) ws.send(packet);
  ws._socket.uncork();
  await ask(socket, 'join', 'the last');
  return null;
});
