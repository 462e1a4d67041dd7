// An unpacked extension in a Chromium of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { findChromium } from '../../scripts/browser.mjs';
import { pageOf } from '../browser/browsers.mjs';

/** @param {string} folder @param {string} path  of the page in it @returns {Promise<import('../browser/browsers.mjs').Page>} */
export async function openExtension(folder, path) {
  const profile = mkdtempSync(join(tmpdir(), 'pagelm-extension-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findChromium(),
    // the shell that is headless by default has no extensions
    headless: false,
    ignoreDefaultArgs: ['--disable-extensions'],
    args: ['--headless=new', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--enable-unsafe-extension-debugging', '--disable-background-networking'],
  });
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const session = await context.browser()?.newBrowserCDPSession();
    const { id } = await /** @type {any} */ (session).send('Extensions.loadUnpacked', { path: folder });
    const page = await context.newPage();
    await page.goto(`chrome-extension://${id}/${path}`);
    return pageOf(page, close);
  } catch (error) {
    await close(); // an open browser would keep the process
    throw error;
  }
}
