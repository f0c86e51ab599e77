// The algorithms of `shared/algorithms.rs` as JavaScript has them: hash.mjs WORKERS SEED.
//
// Reads the files `addresses` (text, one per line) and `bytes`, writes the slots of each algorithm to
// a file of 16-bit numbers (65535 for NaN), and prints times and file names as JSON.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

const [workers, seed] = process.argv.slice(2).map(Number);
const LIMIT = 2 ** 31;
const NOT_A_NUMBER = 65535;

function int31(text) {
  let hash = seed;
  for (const part of text.split('.')) {
    hash = (hash + parseInt(part, 10)) % LIMIT;
    hash = (hash + (hash << 10)) % LIMIT;
    hash ^= hash >> 6;
  }
  hash = (hash + (hash << 3)) % LIMIT;
  hash ^= hash >> 11;
  hash = (hash + (hash << 15)) % LIMIT;
  return hash >>> 0;
}

function numericReal(text) {
  const parts = text.split('.');
  return ((Number(parts[0]) * 256 + Number(parts[1])) * 256 + Number(parts[2])) * 256 + Number(parts[3]);
}

const simpleRegex = (text) => Number(text.replace(/\./g, ''));

function simpleLoop(text) {
  let digits = '';
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] >= '0' && text[at] <= '9') digits += text[at];
  }
  return Number(digits);
}

// sticky's own: the digits of an IPv4 address, the upper 64 bits of an IPv6 address, from the bytes
// of the packet.
function sticky(bytes, at, length) {
  if (length === 4) return digits(bytes, at);
  const words = [0, 4, 8, 12].map((offset) => bytes.readUInt32BE(at + offset));
  const mapped = words[0] === 0 && words[2] === 0xffff;
  const nat64 = words[0] === 0x64ff9b && words[2] === 0;
  if (words[1] === 0 && (mapped || nat64)) return digits(bytes, at + 12);
  return mix(mix(words[0]) ^ words[1]);
}

function digits(bytes, at) {
  let number = 0;
  for (let octet = at; octet < at + 4; octet += 1) {
    const value = bytes[octet];
    number = number * (value < 10 ? 10 : value < 100 ? 100 : 1000) + value;
  }
  return number;
}

// The 32-bit finaliser of MurmurHash3.
function mix(hash) {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function farmhash() {
  try {
    return createRequire(import.meta.url)('farmhash').fingerprint32;
  } catch (error) {
    console.error(`farmhash is not compared in JavaScript: ${error.message.split('\n')[0]}`);
    return undefined;
  }
}

const texts = readFileSync('addresses', 'utf8').trimEnd().split('\n');
const bytes = readFileSync('bytes');
const length = bytes.length / texts.length;
const printed = {};

function measure(name, hash) {
  const slots = new Float64Array(texts.length);
  const start = performance.now();
  for (let at = 0; at < texts.length; at += 1) slots[at] = hash(texts[at], at) % workers;
  const milliseconds = performance.now() - start;
  const file = `${name}.slots`;
  const numbers = Uint16Array.from(slots, (slot) => (Number.isNaN(slot) ? NOT_A_NUMBER : slot));
  writeFileSync(file, numbers);
  printed[name] = { milliseconds, file };
}

measure('int31', int31);
measure('numeric_real', numericReal);
measure('simple_regex', simpleRegex);
measure('simple_loop', simpleLoop);
const fingerprint32 = farmhash();
if (fingerprint32) measure('farmhash', fingerprint32);
measure('sticky', (_, at) => sticky(bytes, at * length, length));
console.log(JSON.stringify(printed));
