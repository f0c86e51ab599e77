// The page of the reference application in a real browser, used as a person would.
//
// Input: { url }. Output: what the page shows.
import { main } from './clients.mjs';
import { launch, open } from './pages.mjs';

const TEXT = 'hello from the first page';

await main(async ({ url }) => {
  const browser = await launch();
  try {
    const first = await open(browser, url);
    const second = await open(browser, url);
    for (const { page } of [first, second]) {
      await page.fill('#room', 'tea room');
      await page.click('#join-button');
      await page.waitForFunction(() => document.querySelector('#here').textContent === 'Room tea room');
    }
    await first.page.fill('#text', TEXT);
    await first.page.press('#text', 'Enter');
    const shown = [];
    for (const { page } of [first, second]) {
      await page.waitForFunction(
        (text) => document.querySelector('#log').textContent.includes(text), TEXT);
      shown.push(await page.textContent('#log'));
    }
    await first.page.waitForFunction(
      () => document.querySelector('#transport').textContent === 'websocket');
    return {
      slot: await first.page.textContent('#slot'),
      pid: Number(await first.page.textContent('#pid')),
      peer: await first.page.textContent('#peer'),
      mode: await first.page.textContent('#mode'),
      shown,
      errors: [...first.errors, ...second.errors],
    };
  } finally {
    await browser.close();
  }
});
