// The digit rule in the language that it was written in.
//
// Input: { addresses, workers }, the latter a list. Output: for each address its number, and the
// slot that it has with each number of workers.
import { main } from './clients.mjs';

await main(({ addresses, workers }) => addresses.map((ip) => ({
  key: Number(ip.replace(/\./g, '')),
  slots: workers.map((N) => Number(ip.replace(/\./g, '')) % N),
})));
