// A slow GPU: its products are said to take a while. Prompts then go in small blocks and passes in short submits, and a prompt
// that is given up in the middle is given up soon. Nothing of that changes a number.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { tinyModel } from './paths.mjs';

const { url } = tinyModel('llama-bpe-q4_0-ropefreqs-tied');
const PROMPT = Array.from({ length: 120 }, (_, i) => 40 + (i * 7) % 200);
const options = { maxTokens: 6, ignoreEos: true };
/** A KiB of weights: the largest product takes 73 ms, and a single one is never cut. */
const SLOW_MS = 2;
/** What a submit may take. */
const MOST_MS = 100;

for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  describe(`pace, ${engine}`, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    const call = (/** @type {string} */ name, /** @type {any} */ value = null) =>
      session.evaluate(async (args) => (await import(`${location.origin}/browser/devices-page.js`))[args.name](args.value), { name, value });
    /** What a device that is not slow gives. @type {any} */
    let fast;

    before(async () => {
      session = await open({ engine, webgpu: true });
      const info = await call('start', { url, options: { backend: 'webgpu', cache: 'none' } });
      assert.equal(info.backend, 'webgpu', JSON.stringify(info));
      fast = await call('whole', { prompt: PROMPT, options });
      assert.equal(fast.tokens.length, options.maxTokens);
    });
    after(() => session?.close());

    test('a fast device gets few submits', () => {
      // blocks of 64 and 56, and the tokens; an adapter of a busy machine may well be slow, too, but not as slow
      assert.ok(fast.submits.length <= 5 * (2 + options.maxTokens), `${fast.submits.length} submits`);
      assert.deepEqual(fast.told[0], { type: 'prompt', loaded: 0, total: PROMPT.length });
      assert.deepEqual(fast.told.at(-1), { type: 'prompt', loaded: PROMPT.length, total: PROMPT.length });
    });

    test('a slow one gets many short ones, and the text is the same', async () => {
      await call('plan', { slowMs: SLOW_MS });
      await call('whole', { prompt: [1, ...PROMPT], options }); // the first blocks show how slow it is
      const { tokens, told, submits } = await call('whole', { prompt: PROMPT, options });
      assert.deepEqual(tokens, fast.tokens);
      assert.ok(submits.length > 30, `${submits.length} submits`);
      // how slow it is is measured, and on a busy machine that errs: then a few are longer
      const long = submits.filter((/** @type {number} */ ms) => ms > MOST_MS);
      assert.ok(long.length <= submits.length / 4, `${long} of ${submits.length}: ${submits}`);
      const loaded = told.map((/** @type {any} */ event) => event.loaded);
      assert.ok(loaded.length > 2 && loaded.every((/** @type {number} */ n, /** @type {number} */ i) => i === 0 || n > loaded[i - 1]), `${loaded}`);
      assert.deepEqual([loaded[0], loaded.at(-1)], [0, PROMPT.length]);
    });

    test('what is given up in the middle of a prompt ends within some submits', async () => {
      // another text as long: what would not be evaluated again is then not right by chance
      await call('whole', { prompt: PROMPT.map((token) => token + 1), options: { ...options, maxTokens: 1 } });
      const { tokens, reason, usage, told, ms, before, after } = await call('giveUp', { prompt: PROMPT, options });
      assert.deepEqual([tokens, reason, usage.promptTokens], [[], 'aborted', PROMPT.length]);
      console.log(`${engine}: given up after ${before.length} submits and ${told.at(-1).loaded} tokens, ${after.length} submits more, ${Math.round(ms)} ms`);
      assert.ok(before.length > 0 && told.at(-1).loaded < PROMPT.length / 2, `${told.map((/** @type {any} */ event) => event.loaded)}`);
      assert.ok(after.length <= 6, `${after.length} submits after it was given up`);
      assert.ok(ms < 10_000, `${ms} ms`);
      // what was evaluated of it is still there, and is right
      const again = await call('whole', { prompt: PROMPT, options });
      assert.ok(again.usage.cachedTokens >= 8 && again.usage.cachedTokens < PROMPT.length - 16, `${again.usage.cachedTokens} tokens are kept`);
      assert.deepEqual(again.tokens, fast.tokens);
      await call('stop');
    });
  });
}
