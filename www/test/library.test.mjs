// The model library: what is kept on the device, downloads that pause and go on, and a look at a model before it is fetched.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { defaultModel, desktop, loadDefault, modelFile, openPage, openSite, patience } from './open.mjs';

describe('the library', () => {
  /** @type {import('./open.mjs').Site} */
  let site;
  /** @type {Awaited<ReturnType<typeof openPage>>} */
  let opened;
  /** @type {import('./open.mjs').Page} */
  let page;

  before(async () => { site = await openSite(); });
  after(() => site?.close());
  beforeEach(async () => {
    opened = await openPage(site, { viewport: desktop });
    page = opened.page;
  });
  afterEach(async () => {
    site.server.faults.length = 0;
    await opened.close();
    assert.deepEqual(opened.complaints, []);
  });

  const stored = () => page.locator('#stored-list li');
  const modelBytes = () => site.server.requests.filter(({ path }) => path.endsWith('.gguf')).reduce((sum, { bytes }) => sum + bytes, 0);

  test('a model that was loaded is listed, kept, checked and deleted; a copied file is listed and loads', async () => {
    await loadDefault(page);
    await page.click('#change-model');
    await stored().waitFor();
    assert.match(await stored().innerText(), new RegExp(`${defaultModel.name}[\\s\\S]*98\\.4 MB`));
    assert.match(await page.innerText('#space-text'), /^1 model, 98\.4 MB · .* in use/);
    assert.ok(await page.isHidden('#recent'), 'what is here is not listed twice');
    await stored().getByRole('button', { name: /^Keep/ }).click();
    await page.waitForSelector('#stored-list [aria-pressed=true]:focus'); // who works by keyboard goes on from there
    await page.click('#change-model'); // the model is still open, and its file in no use
    await stored().getByRole('button', { name: /^Check/ }).click();
    await page.waitForFunction(() => /as it was published/.test(document.querySelector('#notice-text')?.textContent ?? ''), undefined, { timeout: patience });
    await stored().getByRole('button', { name: /^Delete/ }).click();
    await page.waitForFunction(() => !document.querySelector('#stored-list li'));

    // the section stays: a file can be copied in
    await page.setInputFiles('#import-model', modelFile);
    await stored().waitFor({ timeout: patience });
    const asked = modelBytes();
    await stored().getByRole('button', { name: /^Load/ }).click();
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    assert.equal(modelBytes(), asked, 'it loads from its copy');
  });

  /** Begins to load the default model, and pauses. @param {number} bytes */
  async function pauseAt(bytes) {
    site.server.requests.length = 0;
    site.server.faults.push({ path: /\.gguf$/, delayMs: 15 });
    await page.check('[name=backend][value=cpu]');
    await page.click('#load-default');
    await page.waitForFunction((least) => /** @type {any} */ (document.querySelector('#progress-download'))?.value > least, bytes, { timeout: patience });
    assert.equal(await page.innerText('#cancel'), 'Pause');
    await page.click('#cancel');
    await page.waitForSelector('#notice:visible');
    assert.match(await page.innerText('#notice-text'), /is paused/);
  }

  test('a paused download goes on where it was', async () => {
    await pauseAt(20e6);
    const before = modelBytes();
    site.server.faults.length = 0;
    await page.reload();
    await stored().waitFor();
    assert.match(await stored().innerText(), new RegExp(`${defaultModel.name}[\\s\\S]*\\d{2}(?:\\.\\d)? MB of 98\\.4 MB`));
    assert.ok(await page.isHidden('#recent'), 'what is here is not listed twice');
    await page.check('[name=backend][value=cpu]');
    await stored().getByRole('button', { name: /^Go on/ }).click();
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    const rest = modelBytes() - before;
    assert.ok(rest < defaultModel.bytes - 15e6, `${rest} bytes after ${before} of ${defaultModel.bytes}`);
  });

  test('a paused download is deleted by itself', async () => {
    await pauseAt(5e6);
    await stored().getByRole('button', { name: /^Delete/ }).press('Enter');
    await page.waitForFunction(() => !document.querySelector('#stored-list li') && document.activeElement?.id === 'stored-title');
    assert.match(await page.innerText('#space-text'), /^no model · (?!.*unfinished)/);
    const left = await page.evaluate(async () => {
      const names = [];
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('pagelm');
      for await (const name of /** @type {any} */ (folder).keys()) names.push(name);
      return names.sort();
    });
    assert.deepEqual(left, ['index.a', 'index.b']);
  });

  test('two tabs download a model once; the second goes on when the first is closed', async () => {
    site.server.requests.length = 0;
    site.server.faults.push({ path: /\.gguf$/, delayMs: 15 });
    await page.click('#load-default');
    const arrived = (/** @type {import('./open.mjs').Page} */ tab, /** @type {number} */ bytes) => tab.waitForFunction(
      (least) => /** @type {any} */ (document.querySelector('#progress-download'))?.value > least, bytes, { timeout: patience });
    await arrived(page, 15e6);
    const second = await opened.context.newPage();
    await second.goto(site.server.origin);
    const row = second.locator('#stored-list .unfinished');
    await row.waitFor();
    assert.match(await row.innerText(), /in another tab/);
    assert.equal(await row.getByRole('button').count(), 0, 'it is not deleted from under the other tab');
    await second.check('[name=backend][value=cpu]');
    await second.click('#load-default');
    await arrived(second, 30e6);
    await page.close();
    site.server.faults.length = 0;
    await second.waitForSelector('#prompt:visible', { timeout: patience });
    // what was on its way, or not yet noted on the disk, when the first was closed comes twice
    const sent = modelBytes();
    assert.ok(sent < defaultModel.bytes + 30e6, `${sent} bytes for a model of ${defaultModel.bytes}`);
  });

  test('a look at the header says what is in it and whether it fits', async () => {
    site.server.requests.length = 0;
    await page.fill('#address', `${site.server.origin}/models/${defaultModel.file}`);
    await page.click('#inspect');
    await page.waitForFunction(() => /fits/.test(document.querySelector('#inspection-title')?.textContent ?? ''), undefined, { timeout: patience });
    assert.match(await page.innerText('#inspection-facts'), /Architecture\s+llama[\s\S]*Q4_1[\s\S]*On the CPU\s+fits: /);
    assert.ok(modelBytes() < defaultModel.bytes / 4, `${modelBytes()} bytes for a look`);
    await page.fill('#address', `${site.server.origin}/models/nothing.gguf`);
    await page.click('#inspect');
    await page.waitForSelector('#error:visible');
    assert.match(await page.innerText('#error'), /nothing could not be looked at.*404/);
    opened.complaints.length = 0; // the browser itself reports the 404
  });
});
