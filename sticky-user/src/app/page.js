'use strict';

// Text from others goes to the page as text only: never as markup.
const at = (id) => document.getElementById(id);
const KEPT = 200; // messages on the page, per room
const PATIENCE = 5000; // for an answer, in milliseconds

const rooms = new Map(); // name -> lines
let here = null; // the room that is shown
let serving = null; // the last welcome

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function slotBadge(slot) {
  const badge = element('span', `slot ${slot}`, 'slot');
  badge.style.setProperty('--slot', `hsl(${(slot * 137) % 360} 60% 55%)`);
  return badge;
}

function state(text, good) {
  at('state').textContent = text;
  at('state').classList.toggle('good', good);
  for (const control of document.querySelectorAll('form button, #text, #who')) {
    control.disabled = !good || (control.id !== 'join-button' && here === null);
  }
}

function show(line) {
  const log = at('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(line);
  while (log.childElementCount > KEPT) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function add(room, line) {
  const lines = rooms.get(room);
  if (!lines) return;
  lines.push(line);
  if (lines.length > KEPT) lines.shift();
  if (room === here) show(line);
}

// What concerns the connection is said in every room.
function event(text, failed) {
  for (const room of rooms.keys()) {
    add(room, element('li', text, failed ? 'event failed' : 'event'));
  }
}

function draw() {
  at('here').textContent = here === null ? 'No room' : `Room ${here}`;
  at('log').replaceChildren(...(rooms.get(here) ?? []));
  at('log').scrollTop = at('log').scrollHeight;
  at('rooms').replaceChildren(...[...rooms.keys()].map((room) => {
    const item = element('li', '');
    const open = element('button', room);
    if (room === here) open.setAttribute('aria-current', 'true');
    open.addEventListener('click', () => { here = room; refresh(); });
    const leave = element('button', '×');
    leave.setAttribute('aria-label', `Leave ${room}`);
    leave.addEventListener('click', () => part(room));
    item.append(open, leave);
    return item;
  }));
}

function refresh() {
  draw();
  state(at('state').textContent, socket.connected);
}

async function ask(name, ...what) {
  const answer = await socket.timeout(PATIENCE).emitWithAck(name, ...what);
  if (answer && answer.error) throw new Error(answer.error);
  return answer;
}

async function join(room) {
  await ask('join', room);
  if (!rooms.has(room)) rooms.set(room, []);
  here = room;
  refresh();
}

async function part(room) {
  rooms.delete(room);
  if (here === room) here = [...rooms.keys()].pop() ?? null;
  refresh();
  if (socket.connected) await attempt(ask('leave', room));
}

// Whatever fails is told where people look: in the log.
async function attempt(promise) {
  try {
    return await promise;
  } catch (error) {
    const line = element('li', error.message, 'event failed');
    if (here === null) show(line); else add(here, line);
    return undefined;
  }
}

async function describe() {
  at('transport').textContent = socket.io.engine.transport.name;
  const [mine, worker] = await Promise.all([ask('whoami'), fetch('/whoami').then((r) => r.json())]);
  at('peer').textContent = mine.peer;
  at('mode').textContent = worker.mode || 'none';
}

function welcomed({ slot, pid, id }) {
  at('slot').replaceChildren(slotBadge(slot));
  at('pid').textContent = pid;
  at('id').textContent = id;
  if (serving) {
    const same = serving.slot === slot && serving.pid === pid;
    event(`connected again: slot ${slot}, process ${pid}${same ? '' : ` (was slot ${serving.slot}, process ${serving.pid})`}`);
  }
  serving = { slot, pid };
  state(`connected to slot ${slot}`, true);
  socket.io.engine.once('upgrade', (transport) => { at('transport').textContent = transport.name; });
  attempt(describe());
  // The worker knows nothing of a session that it had not: rooms are joined anew.
  for (const room of rooms.keys()) attempt(ask('join', room));
  if (rooms.size === 0) attempt(join(location.hash.slice(1) || 'lobby'));
}

function said({ room, text, from, slot }) {
  const line = element('li', text);
  const about = element('span', from === socket.id ? 'you ' : `${from} `, 'about');
  about.append(slotBadge(slot));
  line.prepend(about);
  add(room, line);
}

function submit(form, input, action) {
  at(form).addEventListener('submit', async (submitted) => {
    submitted.preventDefault();
    const value = at(input).value.trim();
    if (!value) return;
    at(input).value = '';
    await attempt(action(value));
  });
}

let socket;
if (typeof io === 'undefined') {
  state('no client library', false);
  at('log').append(element('li', 'The client library is missing: run “cargo xtask setup client” and build again.', 'event failed'));
} else {
  // "?transport=polling" holds the transport fast, to look at one of them.
  const transport = new URLSearchParams(location.search).get('transport');
  socket = io(transport ? { transports: [transport] } : {});
  socket.on('welcome', welcomed);
  socket.on('said', said);
  socket.on('disconnect', (reason) => {
    state('reconnecting', false);
    event(`disconnected: ${reason}`, true);
  });
  socket.on('connect_error', () => state('reconnecting', false));
  submit('join', 'room', join);
  submit('say', 'text', (text) => ask('say', { room: here, text }));
  at('who').addEventListener('click', async () => {
    const members = await attempt(ask('who', { room: here }));
    if (members) add(here, element('li', `${members.length} here: ${members.join(', ')}`, 'event'));
  });
  state('connecting', false);
}
