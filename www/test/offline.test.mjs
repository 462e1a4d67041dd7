// The page as an app: after one visit it opens and answers with the network cut and the server gone; which builds of the engine
// are kept; threads on a host without headers; and updates that ask first.
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launchChromium } from '../../scripts/browser.mjs';
import { buildSite } from '../../scripts/site.mjs';
import { firstVisitFiles } from '../../scripts/size-site.mjs';
import { answered, desktop, loadDefault, modelFile, openPage, openSite, patience, set } from './open.mjs';

const wasm = 'pkg/dist/wasm/';
const severalThreads = availableParallelism() > 1 ? /\d threads, because/ : /One thread, because this device/;
/** What a browser may say itself of a network that is not there. */
const isOffline = (/** @type {string} */ text) => /ERR_(?:INTERNET_DISCONNECTED|CONNECTION_REFUSED|FAILED)/.test(text);

/** The builds of the engine that the service worker keeps. @param {import('./open.mjs').Page} page @returns {Promise<string[]>} */
const keptBuilds = (page) => page.evaluate(async () => {
  const keys = await (await caches.open('pagelm-files')).keys();
  return keys.flatMap(({ url }) => /(\w+)_bg\.wasm/.exec(url)?.[1] ?? []).sort();
});

/** @param {import('./open.mjs').Page} page @param {string} text */
async function ask(page, text) {
  await page.fill('#prompt', text);
  await page.keyboard.press('Enter');
}

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
      await ask(page, 'What is the capital of France?');
      await answered(page, 1);
      assert.deepEqual(await keptBuilds(page), ['pagelm_relaxed', 'pagelm_threads']);
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
      assert.ok(await page.evaluate(() => crossOriginIsolated), 'the page is isolated offline, too');
      await ask(page, 'And of Italy?');
      await answered(page, 2);
      assert.match(await page.locator('.turn.model .body').last().innerText(), /\w/);
      await page.click('#about summary');
      assert.match(await page.innerText('#facts'), /from the copy on this device/);
      assert.match(await page.innerText('#facts'), severalThreads);

      // what needs the build without threads works, too
      await page.keyboard.press('Escape');
      await page.click('#change-model');
      await page.locator('#stored-list').getByRole('button', { name: /^Check/ }).click();
      await page.waitForFunction(() => /as it was published/.test(document.querySelector('#notice-text')?.textContent ?? ''), undefined, { timeout: patience });
      assert.deepEqual(complaints.filter((text) => !isOffline(text)), []);
    } finally {
      await close();
      await site.close();
    }
  });

  test('one visit without a model: a file is opened and answers without a network, with the build that was kept', async () => {
    const site = await openSite();
    const { page, context, complaints, close } = await openPage(site, { serviceWorkers: 'allow' });
    try {
      await controlled(page);
      assert.deepEqual(await keptBuilds(page), ['pagelm_relaxed']);
      await context.setOffline(true);
      await site.server.close();
      await page.reload();
      await page.check('[name=backend][value=cpu]');
      await page.setInputFiles('#file', modelFile);
      await page.waitForSelector('#prompt:visible', { timeout: patience });
      await set(page, { 'max-tokens': '8', temperature: '0' });
      await ask(page, 'What is the capital of France?');
      await answered(page, 1);
      await page.click('#about summary');
      assert.match(await page.innerText('#facts'), /One thread, because/);
      assert.deepEqual(complaints.filter((text) => !isOffline(text)), []);
    } finally {
      await close();
      await site.close();
    }
  });

  test('without room to keep it, the build with threads comes from the network, each time and with the hash of this version', async () => {
    const site = await openSite();
    // without the flag the browser's quota is always far away
    const browser = await launchChromium({ webgpu: false, args: ['--disable-features=StaticStorageQuota'] });
    const { page, context, complaints, close } = await openPage({ ...site, browser }, { serviceWorkers: 'allow' });
    try {
      await controlled(page);
      const usage = await page.evaluate(async () => (await navigator.storage.estimate()).usage ?? 0);
      const protocol = await context.newCDPSession(page);
      await protocol.send('Storage.overrideQuotaForOrigin', { origin: site.server.origin, quotaSize: usage });
      await page.check('[name=backend][value=cpu]');
      const threadsOf = async () => {
        await page.setInputFiles('#file', modelFile);
        await page.waitForSelector('#prompt:visible', { timeout: patience });
        await page.click('#about summary');
        const facts = await page.innerText('#facts');
        await page.click('#about summary');
        return facts;
      };
      const asked = () => site.server.requests.filter(({ path }) => path.endsWith('pagelm_threads_bg.wasm')).length;
      assert.match(await threadsOf(), severalThreads);
      assert.deepEqual(await keptBuilds(page), ['pagelm_relaxed']);
      assert.ok(asked() > 0, 'it came from the network');
      assert.deepEqual(complaints, []);

      // a host in the middle of an update: what it has is another engine
      appendFileSync(join(site.folder, wasm, 'pagelm_threads_bg.wasm'), Buffer.from([0, 2, 1, 0]));
      await page.reload();
      await page.check('[name=backend][value=cpu]');
      assert.match(await threadsOf(), /One thread, because/);
    } finally {
      await close();
      await browser.close();
      await site.close();
    }
  });

  test('an engine that was fetched before the service worker was there is kept once a model runs', async () => {
    const site = await openSite();
    // the service worker comes late
    site.server.faults.push({ path: '/sw.js', status: 404, times: 1 });
    const { page, close } = await openPage(site, { serviceWorkers: 'allow' });
    try {
      await loadDefault(page);
      assert.ok(await page.evaluate(() => navigator.serviceWorker.controller === null), 'the engine came past it');
      await page.evaluate(async () => { await navigator.serviceWorker.register('./sw.js'); });
      await controlled(page);
      for (let tries = 0; (await keptBuilds(page)).length < 2 && tries < 100; tries += 1) await page.waitForTimeout(100);
      assert.deepEqual(await keptBuilds(page), ['pagelm_relaxed', 'pagelm_threads']);
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
      await ask(page, 'Hello');
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

  /**
   * A new version: another text in the page, and the list that goes with it.
   * @param {string} text @param {string[]} [engines]  builds that are others now, too
   */
  function publish(text, engines = []) {
    const fresh = buildSite(join(site.folder, '..', `${site.folder.split('/').pop()}-next`), { change: (folder) => {
      const file = join(folder, 'index.html');
      writeFileSync(file, readFileSync(file, 'utf8').replace('in this page.</h1>', `in this page.</h1><p id="fresh">${text}</p>`));
      // a section of WebAssembly that means nothing
      for (const name of engines) appendFileSync(join(folder, wasm, `${name}_bg.wasm`), Buffer.from([0, 2, 1, text.length]));
    } });
    cpSync(fresh, site.folder, { recursive: true });
    rmSync(fresh, { recursive: true });
  }

  test('a new version waits until it is asked for, then fetches only what changed', async () => {
    const { page, close } = await openPage(site, { serviceWorkers: 'allow' });
    try {
      await controlled(page);
      publish('A newer page.');
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

  test('a new version brings the builds that were kept, and no others; an old page never runs a new engine', async () => {
    const { page, complaints, close } = await openPage(site, { serviceWorkers: 'allow', viewport: desktop });
    try {
      await controlled(page);
      publish('With other engines.', ['pagelm', 'pagelm_threads']);
      // the page is of the version before: the engine that it asks for is not there any more, and it goes on with the one that is
      await loadDefault(page);
      await page.click('#about summary');
      assert.match(await page.innerText('#facts'), /One thread, because/);
      assert.deepEqual(await keptBuilds(page), ['pagelm_relaxed']);

      await page.reload();
      await page.waitForSelector('#notice:visible', { timeout: patience });
      await page.click('#notice-action');
      await page.waitForSelector('#fresh', { timeout: patience, state: 'attached' });
      await loadDefault(page);
      await page.click('#about summary');
      assert.match(await page.innerText('#facts'), severalThreads);
      assert.deepEqual(await keptBuilds(page), ['pagelm_relaxed', 'pagelm_threads']);

      publish('And again.', ['pagelm', 'pagelm_threads']);
      site.server.requests.length = 0;
      await page.reload();
      await page.waitForSelector('#notice:visible', { timeout: patience });
      const fetched = site.server.requests.map(({ path }) => path).filter((path) => path !== '/sw.js');
      assert.deepEqual([...new Set(fetched)].sort(), ['/index.html', `/${wasm}pagelm_threads_bg.wasm`]);
      assert.deepEqual(complaints.filter((text) => !/integrity|Failed to find a valid digest|ERR_FAILED/.test(text)), []);
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
