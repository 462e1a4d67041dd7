// The page as an app: after one visit it opens and answers with the network cut and the server gone; threads on a host
// without headers; and updates that ask first.
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildSite } from '../../scripts/site.mjs';
import { firstVisitFiles } from '../../scripts/size-site.mjs';
import { answered, desktop, loadDefault, openPage, openSite, patience, set } from './open.mjs';

/** @param {import('./open.mjs').Page} page */
const controlled = (page) => page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated', undefined, { timeout: patience });

describe('offline', () => {
  test('one visit, then a reload, an old conversation and a new answer without network and server', async () => {
    const site = await openSite();
    const { page, context, complaints, close } = await openPage(site, { serviceWorkers: 'allow' });
    try {
      await controlled(page);
      await loadDefault(page);
      await set(page, { 'max-tokens': '12', temperature: '0' });
      await page.fill('#prompt', 'What is the capital of France?');
      await page.keyboard.press('Enter');
      await answered(page, 1);
      const said = await page.innerText('.turn.model .body');

      await context.setOffline(true);
      await site.server.close();
      await page.reload();
      await page.waitForSelector('.turn.model .note:not(:empty)');
      assert.equal(await page.innerText('.turn.model .body'), said, 'the conversation is there');
      await page.click('#menu');
      await page.locator('#conversations .open').first().click();
      await page.click('#load-again');
      await page.waitForSelector('#prompt:visible', { timeout: patience });
      assert.ok(await page.evaluate(() => crossOriginIsolated), 'threads work offline, too');
      await page.fill('#prompt', 'And of Italy?');
      await page.keyboard.press('Enter');
      await answered(page, 2);
      assert.match(await page.locator('.turn.model .body').last().innerText(), /\w/);
      await page.click('#about summary');
      assert.match(await page.innerText('#facts'), /from the copy on this device/);
      // a browser may say so itself when it looks for an update of the service worker
      assert.deepEqual(complaints.filter((text) => !/ERR_(?:INTERNET_DISCONNECTED|CONNECTION_REFUSED)/.test(text)), []);
    } finally {
      await close();
      await site.close();
    }
  });

  test('a first visit downloads what `make size` counts, and nothing else', async () => {
    const site = await openSite();
    const { page, close } = await openPage(site, { serviceWorkers: 'allow' });
    try {
      await controlled(page);
      const requested = new Set(site.server.requests.map(({ path }) => path.replace(/^\/$/, '/index.html')));
      assert.deepEqual([...requested].sort(), firstVisitFiles(site.folder).map((path) => `/${path}`).sort());
    } finally {
      await close();
      await site.close();
    }
  });

  test('a host without headers: the first visit works, and is isolated once the service worker is there', async () => {
    const site = await openSite({ isolated: false });
    const { page, complaints, close } = await openPage(site, { serviceWorkers: 'allow', viewport: desktop });
    try {
      // nobody has touched the page: it reloads by itself
      await page.waitForFunction(() => crossOriginIsolated, undefined, { timeout: patience });
      assert.ok(await page.isVisible('#load-default'));
      const shares = await page.evaluate(() => typeof SharedArrayBuffer);
      assert.equal(shares, 'function');
      await page.reload();
      assert.ok(await page.evaluate(() => crossOriginIsolated));
      assert.deepEqual(complaints, []);
    } finally {
      await close();
      await site.close();
    }
  });

  test('the same host without service workers: not isolated, and it works', async () => {
    const site = await openSite({ isolated: false });
    const { page, complaints, close } = await openPage(site);
    try {
      assert.equal(await page.evaluate(() => crossOriginIsolated), false);
      await loadDefault(page);
      await set(page, { 'max-tokens': '4' });
      await page.fill('#prompt', 'Hello');
      await page.keyboard.press('Enter');
      await answered(page, 1);
      assert.deepEqual(complaints.filter((text) => !/Service Worker/i.test(text)), []);
    } finally {
      await close();
      await site.close();
    }
  });
});

describe('updates', () => {
  /** @type {import('./open.mjs').Site} */
  let site;
  before(async () => { site = await openSite(); });
  after(() => site?.close());

  /** A new version: another text in the page, and the list that goes with it. */
  function publish(text = 'A newer page.') {
    const fresh = buildSite(join(site.folder, '..', `${site.folder.split('/').pop()}-next`), (folder) => {
      const file = join(folder, 'index.html');
      writeFileSync(file, readFileSync(file, 'utf8').replace('in this page.</h1>', `in this page.</h1><p id="fresh">${text}</p>`));
    });
    cpSync(fresh, site.folder, { recursive: true });
    rmSync(fresh, { recursive: true });
  }

  test('a new version waits until it is asked for, then fetches only what changed', async () => {
    const { page, close } = await openPage(site, { serviceWorkers: 'allow' });
    try {
      await controlled(page);
      publish();
      site.server.requests.length = 0;
      await page.reload();
      await page.waitForSelector('#notice:visible', { timeout: patience });
      assert.match(await page.innerText('#notice'), /new version/);
      assert.equal(await page.locator('#fresh').count(), 0, 'the old version stays whole meanwhile');
      const fetched = site.server.requests.map(({ path }) => path).filter((path) => path !== '/sw.js');
      assert.deepEqual([...new Set(fetched)], ['/index.html']);
      await page.click('#notice-action');
      await page.waitForSelector('#fresh', { timeout: patience });
    } finally {
      await close();
    }
  });

  test('a half-published version is not taken', async () => {
    const { page, close } = await openPage(site, { serviceWorkers: 'allow' });
    try {
      await controlled(page);
      publish('Another one.');
      appendFileSync(join(site.folder, 'index.html'), '<!-- bytes that the list does not know -->');
      site.server.requests.length = 0;
      await page.reload();
      await page.evaluate(() => navigator.serviceWorker.getRegistration().then((registration) => registration?.update()).catch(() => {}));
      await page.waitForTimeout(1500);
      assert.ok(site.server.requests.some(({ path }) => path === '/index.html'), 'its installation was tried');
      assert.ok(await page.isHidden('#notice'));
      assert.ok(await page.isVisible('#load-default'));
    } finally {
      await close();
    }
  });
});
