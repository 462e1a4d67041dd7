// The chat page as a person uses it, with the real package and the default model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { builds, firstChatFiles } from '../../scripts/size.mjs';
import { tinyModel } from '../../tests/browser/paths.mjs';
import { projectRoot } from '../../tests/server/serve.mjs';
import { answered, fitsTheScreen, loadDefault, modelFile, openPage, openSite, patience, set } from './open.mjs';

describe('the chat page', () => {
  /** @type {import('./open.mjs').Site} */
  let site;
  /** @type {Awaited<ReturnType<typeof openPage>>} */
  let opened;
  /** @type {import('./open.mjs').Page} */
  let page;

  before(async () => { site = await openSite(); });
  after(() => site?.close());
  beforeEach(async () => {
    opened = await openPage(site);
    page = opened.page;
  });
  afterEach(() => opened.close());

  const answers = () => page.locator('.turn.model .body');

  /** Presses Tab until the element has the focus. @param {string} selector */
  async function tabTo(selector) {
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press('Tab');
      if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
    }
    assert.fail(`20 presses of Tab do not reach ${selector}`);
  }

  test('load, ask, read, ask again, edit, regenerate, new chat, by keyboard alone', async () => {
    assert.ok(await fitsTheScreen(page), 'choosing fits 360 px');
    // the three backends are one stop, then the button
    await tabTo('[name=backend]');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate(() => /** @type {any} */ (document.activeElement).value), 'cpu');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#prompt:visible', { timeout: patience });

    await page.waitForFunction(() => document.activeElement?.id === 'prompt');
    await set(page, { 'max-tokens': '24', temperature: '0' });
    await page.focus('#prompt');
    await page.keyboard.type('The capital of France is which city?');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('Name it.');
    assert.equal(await page.inputValue('#prompt'), 'The capital of France is which city?\nName it.');
    await page.keyboard.press('Enter');
    await answered(page, 1);
    assert.match(await answers().last().innerText(), /Paris/);
    assert.match(await page.locator('.turn.model .note').innerText(), /^\d+ tokens? · [\d.]+ tokens\/s · prompt [\d.]+ tokens\/s/);
    assert.match(await page.innerText('#speed'), /^[\d.]+ tokens\/s$/);
    assert.match(await page.innerText('#context-text'), /^[1-9]\d* of [\d,]+$/);
    assert.match(await page.innerText('#backend'), /^CPU · /);
    assert.equal(await page.getAttribute('#log', 'aria-busy'), 'false');
    assert.ok(await fitsTheScreen(page), 'the chat fits 360 px');

    const before = await page.innerText('#context-text');
    await page.keyboard.type('And of Italy?');
    await page.keyboard.press('Enter');
    await answered(page, 2);
    assert.notEqual(await page.innerText('#context-text'), before, 'the first exchange is part of the second prompt');

    // what is edited is asked again, and what came after it is gone
    await page.locator('.turn.you').first().getByRole('button', { name: 'Edit' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('What is the capital of Spain?');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.turn').length === 2);
    await answered(page, 1);
    assert.equal(await page.innerText('.turn.you .body'), 'What is the capital of Spain?');
    assert.match(await answers().innerText(), /\w/);

    // greedy decoding would say the same again: another answer is drawn
    await page.locator('.turn.model').last().getByRole('button', { name: 'Regenerate' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('#stop:visible');
    await page.waitForSelector('#send:visible', { timeout: patience });
    assert.equal(await page.locator('.turn').count(), 2);
    assert.notEqual(await answers().last().innerText(), '');

    await page.focus('#menu');
    await page.keyboard.press('Enter');
    await page.focus('#new-chat');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('.turn').count(), 0);
    assert.deepEqual(opened.complaints, []);
  });

  test('a first chat downloads what `make size` counts, and nothing else', async () => {
    site.server.requests.length = 0;
    await loadDefault(page);
    await set(page, { 'max-tokens': '4' });
    await page.fill('#prompt', 'Hello');
    await page.keyboard.press('Enter');
    await answered(page, 1);
    const requested = site.server.requests.map(({ path }) => path).filter((path) => path.startsWith('/pkg/'));
    const counted = builds.map((build) => firstChatFiles(build).map((file) => `/${relative(projectRoot, file)}`).sort());
    // whichever build this browser gets; on this isolated page the one with threads, unless there is one core
    assert.ok(counted.some((files) => isDeepStrictEqual(files, [...new Set(requested)].sort())), requested.join('\n'));
  });

  test('Escape stops an answer and keeps what is there; the system prompt counts', async () => {
    await loadDefault(page);
    await page.fill('#prompt', 'Write a very long story about a lighthouse.');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => (document.querySelector('.turn.model .body')?.textContent?.length ?? 0) > 20, undefined, { timeout: patience });
    await page.keyboard.press('Escape');
    await page.waitForSelector('#send:visible', { timeout: patience });
    assert.match(await page.locator('.turn.model .note').innerText(), /stopped$/);
    assert.ok((await answers().innerText()).length > 20);
    await page.fill('#prompt', 'Hello');
    await set(page, { 'max-tokens': '4', system: 'You are a parrot. '.repeat(30) });
    await page.click('#send');
    await answered(page, 2);
    const used = Number.parseInt(await page.innerText('#context-text'), 10);
    assert.ok(used > 150, `${used} tokens with a system prompt of 30 sentences`);
    await page.reload();
    assert.equal(await page.inputValue('#max-tokens'), '4', 'settings are kept');
    assert.deepEqual(opened.complaints, []);
  });

  test('an answer that was left for another chat ends in its own, and not in one that was deleted', async () => {
    await loadDefault(page);
    const items = page.locator('#conversations li');
    /** @param {string} question */
    const beginAnswer = async (question) => {
      await page.fill('#prompt', question);
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => (document.querySelector('.turn.model .body')?.textContent?.length ?? 0) > 20, undefined, { timeout: patience });
      await page.click('#menu');
    };
    await beginAnswer('Write a very long story about rain.');
    await page.click('#new-chat');
    await page.waitForSelector('#send:visible', { timeout: patience });
    await page.waitForTimeout(200); // the list is drawn again once the answer is stored
    assert.equal(new URL(page.url()).hash, '', 'the address is that of the new chat');
    assert.equal(await page.locator('#conversations [aria-current=page]').count(), 0);
    await page.click('#menu');
    await items.locator('.open').click();
    assert.match(await page.innerText('.turn.model .note'), /stopped$/, 'what there was of the answer is kept');

    await page.click('#menu');
    await page.click('#new-chat');
    await beginAnswer('Write a very long story about snow.');
    await items.first().getByRole('button', { name: /^Delete .*snow/ }).click();
    await page.waitForSelector('#send:visible', { timeout: patience });
    await page.waitForTimeout(200);
    assert.deepEqual(await items.locator('.open').allTextContents(), ['Write a very long story about rain.']);
    assert.deepEqual(opened.complaints, []);
  });

  test('an answer that is being written is there after a reload and in another tab, and can be asked for again', async () => {
    await loadDefault(page);
    await page.fill('#prompt', 'Write a very long story about a lighthouse.');
    await page.keyboard.press('Enter');
    const text = () => answers().evaluate(({ textContent }) => textContent ?? '');
    await page.waitForFunction(() => (document.querySelector('.turn.model .body')?.textContent?.length ?? 0) > 20, undefined, { timeout: patience });
    const seen = (await text()).trim();
    await page.waitForTimeout(1000); // it is stored a few times a second
    assert.equal(await page.innerText('.turn.model .note'), '', 'it is still being written');

    const other = await opened.context.newPage();
    await other.goto(page.url());
    await other.waitForSelector('.turn.model');
    assert.ok((await other.innerText('.turn.model .body')).startsWith(seen), 'another tab shows what there is');
    await other.close();

    await page.reload();
    await page.waitForSelector('.turn.model');
    assert.match(await page.innerText('.turn.model .note'), /^unfinished/);
    const kept = (await text()).trim();
    assert.ok(kept.startsWith(seen), `"${seen}" is not how "${kept}" begins`);
    assert.equal(await page.locator('.turn').count(), 2);
    assert.ok(await page.isHidden('#ask'), 'no model is loaded');

    await page.click('#load-again');
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    assert.equal((await text()).trim(), kept, 'loading the model changes nothing');
    await set(page, { 'max-tokens': '8' });
    await page.locator('.turn.model').getByRole('button', { name: 'Regenerate' }).click();
    await page.waitForFunction(() => /^8 tokens/.test(document.querySelector('.turn.model .note')?.textContent ?? ''), undefined, { timeout: patience });
    await page.reload();
    await page.waitForSelector('.turn.model');
    assert.match(await page.innerText('.turn.model .note'), /^8 tokens/, 'the whole answer has taken its place');
    assert.equal(await page.locator('.turn').count(), 2);
    assert.deepEqual(opened.complaints, []);
  });

  test('text of a person is never markup', async () => {
    await loadDefault(page);
    await set(page, { 'max-tokens': '4' });
    await page.fill('#prompt', '<img src=x onerror="document.title=1"> & <b>bold</b>');
    await page.keyboard.press('Enter');
    await answered(page, 1);
    assert.equal(await page.innerText('.turn.you .body'), '<img src=x onerror="document.title=1"> & <b>bold</b>');
    assert.equal(await page.locator('#log img, #log b').count(), 0);
  });

  test('a file of one\'s own', async () => {
    await page.check('[name=backend][value=cpu]');
    await page.setInputFiles('#file', modelFile);
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    await page.click('#notice-action'); // it is offered for some seconds only
    await page.click('#about summary');
    assert.match(await page.innerText('#facts'), /llama/);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => /is kept/.test(document.querySelector('#notice-text')?.textContent ?? ''), undefined, { timeout: patience });
    await page.click('#change-model');
    await page.waitForSelector('#stored-list li');
    assert.deepEqual(opened.complaints, []);
  });

  test('a file that is dropped on the page; the speed of the model before is not its own', async () => {
    await loadDefault(page);
    await set(page, { 'max-tokens': '4' });
    await page.fill('#prompt', 'Hello');
    await page.keyboard.press('Enter');
    await answered(page, 1);
    assert.match(await page.innerText('#speed'), /tokens\/s/);
    await page.click('#change-model');
    const bytes = readFileSync(tinyModel('olmo2-q2_k').file).toString('base64');
    await page.evaluate((base64) => {
      const body = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([body], 'dropped.gguf'));
      for (const type of ['dragover', 'drop']) dispatchEvent(new DragEvent(type, { dataTransfer, cancelable: true }));
    }, bytes);
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    assert.match(await page.innerText('#backend'), /CPU · dropped/);
    assert.equal(await page.innerText('#speed'), '');
    assert.equal(await page.locator('body.dragging').count(), 0);
  });

  test('what is no model is refused with its name and what to do', async () => {
    await page.setInputFiles('#file', { name: 'broken.gguf', mimeType: '', buffer: Buffer.from('not a model at all') });
    await page.waitForSelector('#error:visible', { timeout: patience });
    assert.match(await page.innerText('#error'), /broken did not load\./);
    assert.notEqual(await page.innerText('#error-code'), '');
    assert.notEqual(await page.innerText('#error-advice'), '');
    assert.ok(await page.isVisible('#load-default'), 'another model can be chosen');
    await page.setInputFiles('#file', { name: 'notes.txt', mimeType: '', buffer: Buffer.from('x') });
    assert.match(await page.innerText('#error'), /notes\.txt is no \.gguf file/);
    await page.fill('#address', 'hf:nobody');
    await page.keyboard.press('Enter');
    assert.match(await page.innerText('#error'), /hf:owner\/repository\/file\.gguf/);
  });

  test('a failed download says so', async () => {
    site.server.faults.push({ path: /\.gguf$/, status: 404 });
    await page.click('#load-default');
    await page.waitForSelector('#error:visible', { timeout: patience });
    site.server.faults.length = 0;
    assert.match(await page.innerText('#error'), /404/);
  });

  test('a slow download shows its pace; Cancel ends it', async () => {
    site.server.faults.push({ path: /\.gguf$/, delayMs: 50 });
    await page.click('#load-default');
    await page.waitForSelector('#progress-download');
    await page.waitForFunction(() => /B\/s, .* left$/.test(document.querySelector('#pace')?.textContent ?? ''));
    await page.click('#cancel');
    await page.waitForSelector('#load-default:visible');
    site.server.faults.length = 0;
    assert.ok(await page.isHidden('#error'), 'a wish is no error');
  });
});
