// Pages of the reference application in a real browser.
import { chromium } from 'playwright-core';
import { DEADLINE } from './clients.mjs';

export function launch() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      // It looks nobody up and reaches nobody else.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  });
}

/** A page that is connected, and the errors that it has shown. */
export async function open(browser, url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(DEADLINE);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  await page.goto(url);
  await page.waitForFunction(() => document.querySelector('#state').textContent.startsWith('connected'));
  await page.waitForFunction(() => document.querySelector('#peer').textContent.includes(':'));
  return { page, errors };
}
