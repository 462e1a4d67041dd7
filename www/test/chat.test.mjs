// The chat page as a person uses it, with the real package and the default model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { launchChromium } from '../../scripts/browser.mjs';
import { builds, firstChatFiles } from '../../scripts/size.mjs';
import { projectRoot, serve } from '../../tests/server/serve.mjs';

const defaultModel = JSON.parse(readFileSync(join(projectRoot, 'www/default-model.json'), 'utf8'));
const modelFile = join(projectRoot, 'models', defaultModel.file);
const patience = 120_000; // for loading and answering on a busy machine

describe('the chat page', () => {
  /** @type {import('../../tests/server/serve.mjs').Server} */
  let server;
  /** @type {import('playwright-core').Browser} */
  let browser;
  /** @type {import('playwright-core').Page} */
  let page;
  /** @type {string[]} */
  let complaints;
  /** @type {string[]} */
  let elsewhere;

  before(async () => {
    server = await serve();
    browser = await launchChromium({ webgpu: false });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });
  beforeEach(async () => {
    page = await browser.newPage({ viewport: { width: 360, height: 740 } });
    page.setDefaultTimeout(15_000);
    complaints = [];
    elsewhere = [];
    page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => { if (!request.url().startsWith(server.origin)) elsewhere.push(request.url()); });
    await page.goto(server.origin);
  });
  afterEach(async () => {
    assert.deepEqual(elsewhere, [], 'requests to other hosts');
    await page.close();
  });

  async function loadDefault() {
    await page.check('[name=backend][value=cpu]');
    await page.click('#load-default');
    await page.waitForSelector('#prompt:visible', { timeout: patience });
  }
  /** @param {Record<string, string>} settings  by the ids of their fields */
  async function set(settings) {
    await page.click('#about summary');
    for (const [id, value] of Object.entries(settings)) await page.fill(`#${id}`, value);
    await page.keyboard.press('Escape');
    assert.ok(await page.isHidden('#settings'), 'Escape closes the panel');
  }
  const answers = () => page.locator('.turn.model .body');
  const fitsTheScreen = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

  test('load, ask, read, ask again, new chat, by keyboard alone', async () => {
    assert.ok(await fitsTheScreen(), 'choosing fits 360 px');
    // from the first element on: the three backends are one stop, then the button
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate(() => /** @type {any} */ (document.activeElement).value), 'cpu');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#prompt:visible', { timeout: patience });

    await page.waitForFunction(() => document.activeElement?.id === 'prompt');
    await set({ 'max-tokens': '24', temperature: '0' });
    await page.focus('#prompt');
    await page.keyboard.type('The capital of France is which city?');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('Name it.');
    assert.equal(await page.inputValue('#prompt'), 'The capital of France is which city?\nName it.');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.turn.model .note:not(:empty)', { timeout: patience });
    assert.match(await answers().last().innerText(), /Paris/);
    assert.match(await page.locator('.turn.model .note').innerText(), /^\d+ tokens? · [\d.]+ tokens\/s · prompt [\d.]+ tokens\/s/);
    assert.match(await page.innerText('#speed'), /^[\d.]+ tokens\/s$/);
    assert.match(await page.innerText('#context-text'), /^[1-9]\d* of [\d,]+$/);
    assert.match(await page.innerText('#backend'), /^CPU · /);
    assert.equal(await page.getAttribute('#log', 'aria-busy'), 'false');
    assert.ok(await fitsTheScreen(), 'the chat fits 360 px');

    const before = await page.innerText('#context-text');
    await page.keyboard.type('And of Italy?');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.turn.model .note:not(:empty)').length === 2, undefined, { timeout: patience });
    assert.notEqual(await page.innerText('#context-text'), before, 'the first exchange is part of the second prompt');

    await page.click('#new-chat');
    assert.equal(await page.locator('.turn').count(), 0);
    assert.deepEqual(complaints, []);
  });

  test('a first chat downloads what `make size` counts, and nothing else', async () => {
    server.requests.length = 0;
    await loadDefault();
    await set({ 'max-tokens': '4' });
    await page.fill('#prompt', 'Hello');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.turn.model .note:not(:empty)', { timeout: patience });
    const requested = server.requests.map(({ path }) => path).filter((path) => path.startsWith('/pkg/'));
    const counted = builds.map((build) => firstChatFiles(build).map((file) => `/${relative(projectRoot, file)}`).sort());
    // whichever build this browser gets; on this isolated page the one with threads, unless there is one core
    assert.ok(counted.some((files) => isDeepStrictEqual(files, [...new Set(requested)].sort())), requested.join('\n'));
  });

  test('Escape stops an answer and keeps what is there', async () => {
    await loadDefault();
    await page.fill('#prompt', 'Write a very long story about a lighthouse.');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => (document.querySelector('.turn.model .body')?.textContent?.length ?? 0) > 20, undefined, { timeout: patience });
    await page.keyboard.press('Escape');
    await page.waitForSelector('#send:visible', { timeout: patience });
    assert.match(await page.locator('.turn.model .note').innerText(), /stopped$/);
    assert.ok((await answers().innerText()).length > 20);
    await page.fill('#prompt', 'Hello');
    await set({ 'max-tokens': '4' });
    await page.click('#send');
    await page.waitForFunction(() => document.querySelectorAll('.turn.model .note:not(:empty)').length === 2, undefined, { timeout: patience });
    assert.deepEqual(complaints, []);
  });

  test('text of a model is never markup', async () => {
    await loadDefault();
    await set({ 'max-tokens': '4' });
    await page.fill('#prompt', '<img src=x onerror="document.title=1"> & <b>bold</b>');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.turn.model .note:not(:empty)', { timeout: patience });
    assert.equal(await page.innerText('.turn.you .body'), '<img src=x onerror="document.title=1"> & <b>bold</b>');
    assert.equal(await page.locator('#log img, #log b').count(), 0);
  });

  test('a file of one\'s own', async () => {
    await page.check('[name=backend][value=cpu]');
    await page.setInputFiles('#file', modelFile);
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    await page.click('#about summary');
    assert.match(await page.innerText('#facts'), /llama/);
    assert.deepEqual(complaints, []);
  });

  test('what is no model is refused with its name and what to do', async () => {
    await page.setInputFiles('#file', { name: 'broken.gguf', mimeType: '', buffer: Buffer.from('not a model at all') });
    await page.waitForSelector('#error:visible', { timeout: patience });
    assert.match(await page.innerText('#error'), /broken\.gguf did not load\./);
    assert.notEqual(await page.innerText('#error-code'), '');
    assert.ok(await page.isVisible('#load-default'), 'another model can be chosen');
    await page.setInputFiles('#file', { name: 'notes.txt', mimeType: '', buffer: Buffer.from('x') });
    assert.match(await page.innerText('#error'), /notes\.txt is no \.gguf file/);
  });

  test('a failed download says so', async () => {
    server.faults.push({ path: /\.gguf$/, status: 404 });
    await page.click('#load-default');
    await page.waitForSelector('#error:visible', { timeout: patience });
    server.faults.length = 0;
    assert.match(await page.innerText('#error'), /404/);
  });

  test('Cancel ends a download', async () => {
    server.faults.push({ path: /\.gguf$/, delayMs: 50 });
    await page.click('#load-default');
    await page.waitForSelector('#progress-download');
    await page.click('#cancel');
    await page.waitForSelector('#load-default:visible');
    server.faults.length = 0;
    assert.ok(await page.isHidden('#error'), 'a wish is no error');
  });
});
