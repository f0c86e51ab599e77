// Large data, named by its length: { $text: n } and { $binary: n } stand for what is made from n.

const LONG = 1000;
const LETTERS = 'aä€🦀"\\\n'; // one to four bytes each, and what JSON has to escape

/** The data that a description stands for. */
export function expand(value) {
  if (value?.$text !== undefined) return text(value.$text);
  if (value?.$binary !== undefined) return binary(value.$binary);
  return map(value, expand);
}

/** The description of data; data that is not as it was made is told as broken. */
export function collapse(value) {
  if (typeof value === 'string' && value.length >= LONG) {
    const right = value === text(value.length);
    return right ? { $text: value.length } : { $broken: value.length };
  }
  if (Buffer.isBuffer(value) || value instanceof ArrayBuffer) {
    const bytes = Buffer.from(value);
    return bytes.equals(binary(bytes.length)) ? { $binary: bytes.length } : { $broken: bytes.length };
  }
  return map(value, collapse);
}

function map(value, change) {
  if (Array.isArray(value)) return value.map(change);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, change(of)]));
}

// Of `length` UTF-16 units; a multiple of eight ends between letters.
function text(length) {
  return LETTERS.repeat(Math.ceil(length / LETTERS.length)).slice(0, length);
}

function binary(length) {
  return Buffer.from(Uint8Array.from({ length }, (_, at) => (at * 7919) >> 4));
}
