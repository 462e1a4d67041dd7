// The site as another host gets it: plain files below some path, without headers; with the default model in it, or with one of the hub.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { launchChromium } from '../../scripts/browser.mjs';
import { buildSite, keptFiles, sitePolicy } from '../../scripts/site.mjs';
import { tinyModel } from '../../tests/browser/paths.mjs';
import { serve } from '../../tests/server/serve.mjs';
import { answered, defaultModel, loadDefault, openPage, openSite, patience, set } from './open.mjs';

/** @param {import('node:test').TestContext} t @param {import('../../scripts/site.mjs').ModelPlace} model */
function built(t, model) {
  const folder = buildSite(mkdtempSync(join(tmpdir(), 'pagelm-site-')), { model });
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, offered: JSON.parse(readFileSync(join(folder, 'default-model.json'), 'utf8')) };
}

/** What pages may fetch from, of a policy. @param {string} policy */
const reach = (policy) => /connect-src ([^;"]*)/.exec(policy)?.[1];

test('the model that the page offers first is where it says', (t) => {
  const laid = built(t, 'laid');
  assert.ok(existsSync(join(laid.folder, 'models', laid.offered.file)));
  assert.deepEqual([laid.offered.sha256, laid.offered.source], [defaultModel.sha256, undefined]);
  assert.deepEqual(keptFiles(laid.folder).filter((path) => path.endsWith('.gguf')), [], 'the service worker leaves it to the package');

  const { folder, offered } = built(t, 'hub');
  assert.ok(!existsSync(join(folder, 'models')));
  assert.equal(offered.file, undefined, 'it names no file that is not there');
  // a row of the catalogue, which has tests of its own
  const files = JSON.parse(readFileSync(join(folder, 'models.json'), 'utf8')).flatMap((/** @type {any} */ family) => family.files);
  const row = files.find((/** @type {any} */ { source }) => source === offered.source);
  assert.ok(row && offered.detail.startsWith(`${row.quantisation} · ${Math.round(row.bytes / 1e6)} MB`), JSON.stringify({ row, offered }));
});

test('both pages and the host of the demo allow the same', (t) => {
  const { folder } = built(t, 'hub');
  const allowed = ['index.html', 'bench.html'].map((page) => reach(readFileSync(join(folder, page), 'utf8')));
  assert.deepEqual(allowed, [reach(sitePolicy), reach(sitePolicy)]);
});

test('the browser offers to install the page, and finds nothing wrong with it', async (t) => {
  const site = await openSite();
  t.after(() => site.close());
  const { page, context, close } = await openPage(site, { serviceWorkers: 'allow' });
  const protocol = await context.newCDPSession(page);
  const { errors, data } = await protocol.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  assert.equal(JSON.parse(data ?? '').display, 'standalone');
  // a test's window is like a private one, which offers nothing; what else there is comes with it
  const inTheWay = async () => (await protocol.send('Page.getInstallabilityErrors')).installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito');
  assert.deepEqual(await inTheWay(), []);
  for (const { src, sizes, type } of JSON.parse(data ?? '').icons) {
    const seen = await page.evaluate(async (address) => {
      const response = await fetch(address);
      const { width, height } = await createImageBitmap(await response.blob()).catch(() => ({ width: 0, height: 0 }));
      return { type: response.headers.get('content-type'), sizes: `${width}x${height}` };
    }, src);
    assert.deepEqual(seen, { type, sizes: sizes === 'any' ? '0x0' : sizes }, src); // a drawing is no bitmap
  }
  site.server.faults.push({ path: /\.webmanifest$/, status: 404 });
  await page.goto(`${site.server.origin}/?without`);
  assert.notDeepEqual(await inTheWay(), [], 'what is wrong is told of');
  await close();
});

for (const [path, script, button, answers] of /** @type {const} */ ([
  ['/', '/chat.js', '#open-settings', '#settings-dialog[open]'],
  ['/bench.html', '/bench-models.js', '#plan button[type=submit]', '#error:not([hidden]), #stop:visible'],
])) {
  test(`${path}: nothing can be pressed before its script listens, and the first press after that counts`, async (t) => {
    const site = await openSite({ model: 'hub' });
    t.after(() => site.close());
    const { page, complaints, close } = await openPage(site);
    let release = () => {};
    const released = new Promise((resolve) => { release = () => resolve(undefined); });
    await page.route(`**${script}`, async (route) => {
      await released;
      await route.continue();
    });
    await page.goto(`${site.server.origin}${path}`, { waitUntil: 'commit' });
    await page.waitForSelector(button);
    assert.ok(await page.evaluate(() => document.body.inert), 'the script is still on its way');
    const pressed = page.click(button, { timeout: patience });
    await assert.rejects(page.click(button, { timeout: 1000 }), { name: 'TimeoutError' });
    release();
    await pressed;
    await page.waitForSelector(answers);
    assert.deepEqual(complaints, []);
    await close();
  });
}

test('below a path, on a host that sends no headers: it opens, loads its model and answers', async (t) => {
  const { folder } = built(t, 'laid');
  const server = await serve({ roots: { '/some/where/': folder }, isolated: false, strict: false });
  const browser = await launchChromium({ webgpu: false });
  t.after(async () => {
    await browser.close();
    await server.close();
  });
  const page = await (await browser.newContext()).newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${server.origin}/some/where/`);
  await page.waitForFunction(() => crossOriginIsolated, undefined, { timeout: patience });
  await loadDefault(page);
  await set(page, { 'max-tokens': '8', temperature: '0' });
  await page.fill('#prompt', 'What is the capital of France?');
  await page.press('#prompt', 'Enter');
  await answered(page, 1);
  assert.deepEqual(server.requests.filter(({ path, status }) => !path.startsWith('/some/where/') || status >= 400), []);
  assert.deepEqual(complaints, []);
});

test('a site without the model takes it from the hub, or from a mirror', async (t) => {
  const site = await openSite({ model: 'hub' });
  t.after(() => site.close());
  const { page, close } = await openPage(site);
  const source = JSON.parse(readFileSync(join(site.folder, 'default-model.json'), 'utf8')).source;
  const [, repository, file] = /^hf:([^/]+\/[^/]+)\/(.+)$/.exec(source) ?? [];
  const bytes = readFileSync(tinyModel('olmo2-q2_k').file);
  site.server.files.set(`/hub/${repository}/resolve/main/${file}`, { size: bytes.length, extents: [{ at: 0, bytes }] });
  await set(page, { 'hub-mirror': `${site.server.origin}/hub` });
  await loadDefault(page);
  await page.click('#about summary');
  assert.match(await page.innerText('#facts'), /Architecture\s+olmo2/);
  await close();
});

test('a server of this machine is reached without https', async (t) => {
  const site = await openSite();
  const local = await serve({ roots: { '/goldens/': 'tests/goldens' }, isolated: false, strict: false });
  t.after(async () => {
    await site.close();
    await local.close();
  });
  local.faults.push({ path: /./, headers: { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'Content-Range, ETag' } });
  const page = await (await site.browser.newContext({ serviceWorkers: 'block' })).newPage();
  await page.goto(site.server.origin);
  for (const origin of [local.origin, local.origin.replace('localhost', '127.0.0.1')]) {
    await page.fill('#address', `${origin}${tinyModel('olmo2-q2_k').url}`);
    await page.click('#inspect');
    await page.waitForFunction(() => /fits\./.test(document.querySelector('#inspection-title')?.textContent ?? ''), undefined, { timeout: patience });
    assert.match(await page.innerText('#inspection-facts'), /Architecture\s+olmo2/);
    await page.evaluate(() => { /** @type {any} */ (document.querySelector('#inspection-title')).textContent = ''; });
  }
});
