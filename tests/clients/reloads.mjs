// Pages in a real browser whose workers are replaced again and again: what each went through.
//
// Input: { url, pages, reloads, command }: the pages are opened at `url`, and `command` (a program and
// its arguments) replaces all workers. Output: for each page its disconnects, by reason, and whatever
// else it noticed, after each reload.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { main } from './clients.mjs';
import { launch, open } from './pages.mjs';

await main(async ({ url, pages, reloads, command: [program, ...args] }) => {
  const browser = await launch();
  try {
    const opened = [];
    for (let number = 0; number < pages; number += 1) opened.push(await watched(browser, url));
    const rounds = [];
    for (let round = 0; round < reloads; round += 1) {
      const before = await Promise.all(opened.map(({ page }) => pid(page)));
      await promisify(execFile)(program, args);
      const seen = [];
      for (const [number, { page }] of opened.entries()) {
        // Another worker has welcomed it, and it is connected still.
        await page.waitForFunction(
          (pid) => socket.connected && serving.pid !== pid, before[number]);
        seen.push(await page.evaluate(() => {
          const { disconnects, turnedAway } = globalThis.seen;
          globalThis.seen = { disconnects: [], turnedAway: [] };
          return { disconnects, turnedAway };
        }));
      }
      rounds.push(seen);
    }
    return rounds;
  } finally {
    await browser.close();
  }
});

function pid(page) {
  return page.evaluate(() => serving.pid);
}

async function watched(browser, url) {
  const one = await open(browser, url);
  await one.page.evaluate(() => {
    globalThis.seen = { disconnects: [], turnedAway: [] };
    socket.on('disconnect', (reason) => globalThis.seen.disconnects.push(reason));
    socket.on('connect_error', (error) => globalThis.seen.turnedAway.push(error.message));
  });
  return one;
}
