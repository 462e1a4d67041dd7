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
    await page.waitForSelector('#stored-list [aria-pressed=true]');
    await page.click('#change-model'); // the model is still open, and its file in no use
    await stored().getByRole('button', { name: /^Check/ }).click();
    await page.waitForFunction(() => /as it was published/.test(document.querySelector('#notice-text')?.textContent ?? ''), undefined, { timeout: patience });
    await stored().getByRole('button', { name: /^Delete/ }).click();
    await page.waitForFunction(() => !document.querySelector('#stored-list li'));

    // the section stays open for the visit: a file can be copied in
    await page.evaluate(() => { /** @type {any} */ (document.querySelector('#stored')).hidden = false; });
    await page.setInputFiles('#import-model', modelFile);
    await stored().waitFor({ timeout: patience });
    const asked = modelBytes();
    await stored().getByRole('button', { name: /^Load/ }).click();
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    assert.equal(modelBytes(), asked, 'it loads from its copy');
  });

  test('a paused download goes on where it was', async () => {
    site.server.requests.length = 0;
    site.server.faults.push({ path: /\.gguf$/, delayMs: 15 });
    await page.check('[name=backend][value=cpu]');
    await page.click('#load-default');
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector('#progress-download'))?.value > 20e6, undefined, { timeout: patience });
    assert.equal(await page.innerText('#cancel'), 'Pause');
    await page.click('#cancel');
    await page.waitForSelector('#notice:visible');
    assert.match(await page.innerText('#notice-text'), /is paused/);
    const before = modelBytes();
    site.server.faults.length = 0;
    await page.reload();
    await page.waitForSelector('#recent button');
    assert.match(await page.innerText('#recent'), new RegExp(defaultModel.name));
    await page.check('[name=backend][value=cpu]');
    await page.locator('#recent button').click();
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    const rest = modelBytes() - before;
    assert.ok(rest < defaultModel.bytes - 15e6, `${rest} bytes after ${before} of ${defaultModel.bytes}`);
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
