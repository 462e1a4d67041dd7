// The model library: what is kept on the device, downloads that pause and go on, and a look at a model before it is fetched.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { tinyModel } from '../../tests/browser/paths.mjs';
import { defaultModel, desktop, loadDefault, modelFile, openPage, openSite, patience, set } from './open.mjs';

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

  test('versions of a model lie side by side, told apart, and each loads', async () => {
    await loadDefault(page); // or there would be no list
    await page.click('#change-model');
    const versions = ['olmo2-q2_k', 'qwen3-q5_k-headdim'].map((name) => readFileSync(tinyModel(name).file));
    for (const [index, buffer] of versions.entries()) {
      await page.setInputFiles('#import-model', { name: 'the-model.gguf', mimeType: '', buffer });
      await page.waitForFunction((count) => document.querySelectorAll('#stored-list li').length === count, index + 2, { timeout: patience });
    }
    const ids = versions.map((bytes) => createHash('sha256').update(bytes).digest('hex'));
    const names = await page.locator('#stored-list .file-name').allInnerTexts();
    assert.deepEqual(names.slice(0, 2), ids.toReversed().map((id, index) => `the-model · ${names[index].split(' · ')[1]} · ${id.slice(0, 8)}`));
    assert.match(names[0], /^the-model · \w+ \d+, \d{4} · /);
    assert.doesNotMatch(names[2], / · /, 'what is alone needs no more than its name');
    // one, the other, and back
    for (const [index, architecture] of [[0, 'olmo2'], [1, 'qwen3'], [0, 'olmo2']]) {
      await page.locator(`#stored-list [data-id="${ids[Number(index)]}"]`).getByRole('button', { name: /^Load/ }).click();
      await page.waitForSelector('#prompt:visible', { timeout: patience });
      await page.click('#about summary');
      assert.match(await page.innerText('#facts'), new RegExp(`Architecture\\s+${architecture}`));
      await page.keyboard.press('Escape');
      await page.click('#change-model');
      await page.waitForSelector('#stored-list li');
    }
  });

  test('an address that the page may not fetch from is refused where it is typed, with what to do instead', async () => {
    for (const press of ['#inspect', '#address-form [type=submit]']) {
      await page.fill('#address', 'http://192.0.2.7:8080/models/m.gguf');
      await page.click(press);
      await page.waitForSelector('#error:visible');
      assert.match(await page.innerText('#error'), /http:\/\/localhost[\s\S]*http:\/\/192\.0\.2\.7:8080 is another machine[\s\S]*https:/);
      await page.click('#error-close');
    }
    await set(page, { 'hub-mirror': 'http://192.0.2.7' });
    await page.fill('#address', 'hf:owner/repository/m.gguf');
    await page.click('#inspect');
    await page.waitForSelector('#error:visible');
    assert.match(await page.innerText('#error'), /is another machine/);
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
