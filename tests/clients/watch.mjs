// Every HTTP request of this process, whoever makes it: what came of it.
import http from 'node:http';

export const requests = { made: 0, answered: 0, givenUp: 0, turnedAway: 0, refused: 0, failed: [] };

/** What a worker that drains says to a request that would open a session of Socket.IO. */
const TURNED_AWAY = [408, 503];

function opensSession({ path }) {
  return path.startsWith('/socket.io/') && !path.includes('sid=');
}

const request = http.request;

/** As http.request; imported before anything else, it is what everybody calls. */
http.request = function watched(...args) {
  const made = request.apply(this, args);
  requests.made += 1;
  const begun = Date.now();
  const failed = (why) => {
    const socket = made.socket;
    const seconds = (Date.now() - begun) / 1000;
    requests.failed.push(`${made.method} ${made.path} from ${socket?.localAddress}:${socket?.localPort}`
      + `, request ${socket?.requests ?? 0} of its connection, after ${seconds} s: ${why}`);
  };
  // Whoever gives a request up says no reason.
  for (const way of ['destroy', 'abort']) {
    const act = made[way];
    made[way] = function given(error, ...more) {
      made.givenUp ||= error === undefined;
      return act.call(this, error, ...more);
    };
  }
  made.on('socket', (socket) => {
    socket.requests = (socket.requests ?? 0) + 1;
  });
  made.on('upgrade', () => {
    requests.answered += 1;
  });
  made.on('response', (response) => {
    if (TURNED_AWAY.includes(response.statusCode) && opensSession(made)) {
      requests.turnedAway += 1;
      return;
    }
    const parts = [];
    if (response.statusCode !== 200) response.on('data', (part) => parts.push(part));
    response.on('close', () => {
      const whole = response.complete;
      if (whole && response.statusCode === 200) requests.answered += 1;
      else if (whole) failed(`${response.statusCode} ${Buffer.concat(parts)}`);
      else if (made.givenUp) requests.givenUp += 1;
      else failed('the answer is cut short');
    });
  });
  made.on('error', (error) => {
    if (made.res) return; // told above
    if (made.givenUp) requests.givenUp += 1;
    else if (error.code === 'ECONNREFUSED') requests.refused += 1;
    else failed(error.code ?? error.message);
  });
  return made;
};
