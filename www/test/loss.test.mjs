// The graphics device is lost under the chat page: it says so, and the answer goes on.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../../tests/server/serve.mjs';
import { tinyModel } from '../../tests/browser/paths.mjs';
import { answered, desktop, openPage, openSite, patience, set } from './open.mjs';

test('a lost graphics device is told of in a sentence, and the answer goes on', { timeout: 180_000 }, async (t) => {
  const site = await openSite({ webgpu: true });
  t.after(() => site.close());
  const { page, complaints, close } = await openPage(site, { viewport: desktop });
  t.after(close);
  const prelude = readFileSync(join(projectRoot, 'tests/browser/faulty-webgpu.js'), 'utf8');
  await page.route('**/pkg/dist/worker.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${prelude}\n${await response.text()}` });
  });
  const plan = (/** @type {import('../../tests/browser/faulty-webgpu.js').Plan} */ plan) => page.evaluate((plan) => new Promise((resolve) => {
    const channel = new BroadcastChannel('webgpu-faults');
    channel.onmessage = () => resolve(channel.close());
    channel.postMessage(plan);
  }), plan);
  const notice = (/** @type {string} */ text) => page.waitForFunction((text) => document.querySelector('#notice-text')?.textContent === text, text, { timeout: patience });
  const ask = async () => {
    await page.click('#new-chat');
    await page.fill('#prompt', 'Hello');
    await page.keyboard.press('Enter');
  };
  const answer = async () => {
    await answered(page, 1);
    return page.innerText('.turn.model .body');
  };

  await page.check('[name=backend][value=webgpu]');
  await page.setInputFiles('#file', tinyModel('llama-spm-f32-tied').file);
  await page.waitForSelector('#prompt:visible', { timeout: patience });
  await set(page, { 'max-tokens': '12', temperature: '0' });
  await ask();
  const whole = await answer();
  assert.notEqual(whole, '');

  await plan({ losses: [6] });
  await ask();
  await notice('The graphics device stopped. The model is loaded again, and then goes on.');
  await notice('The model is back, on the graphics device.');
  assert.equal(await answer(), whole);
  assert.match(await page.textContent('#reason') ?? '', /after the loss of one/);

  await plan({ now: true, noAdapter: true });
  await ask();
  await notice('The model is back. The graphics device is not: the model runs on the CPU now.');
  assert.equal(await answer(), whole);
  assert.match(await page.innerText('#backend'), /^CPU · /);
  assert.deepEqual(complaints, []);
});
