// Keys and values of 8 bits: what they do to a model's numbers, and to its memory. With weights in f32 or halves nothing else is
// rounded to 8 bits, whichever build runs them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { logSoftmax, perplexity, Worst, worstError } from './compare.mjs';
import { limits, realModel, tinyModel } from './paths.mjs';

/** Largest difference of a log-probability to float64: the class of 8 bits. 0.15 was seen, and 0.36 of SmolLM2 beside f32. */
const LIMIT = limits.eightBits;
/** Of SmolLM2's perplexity on a passage, with q8_0 over f32 in the same build, less one. */
const PERPLEXITY = 0.006;

/** @type {{ engine: import('./browsers.mjs').EngineName, build: import('./paths.mjs').Build }[]} */
const settings = [
  { engine: 'chromium', build: { kernels: 'baseline' } },
  { engine: 'chromium', build: { kernels: 'relaxed', threads: 1 } },
  { engine: 'chromium', build: { kernels: 'relaxed', threads: 2 } },
  { engine: 'firefox', build: { kernels: 'relaxed', threads: 1 } },
];

for (const { engine, build } of settings) {
  describe(`q8_0, ${engine}, ${build.kernels}, ${build.threads ?? 1}`, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    const worst = new Worst();
    before(async () => { session = await open({ engine }); });
    after(async () => {
      await session?.close();
      console.log(`q8_0, ${engine}, ${build.kernels}, ${build.threads ?? 1}\n${worst}`);
    });

    /** @param {any} wanted @param {'f32' | 'q8_0'} kvCacheType */
    const numbers = async (wanted, kvCacheType) => {
      const args = { backend: 'cpu', ...wanted, build: { ...build, kvCacheType } };
      const actual = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).numbers(args), args);
      assert.equal(actual.info.kvCacheType, kvCacheType);
      return actual;
    };

    for (const name of ['llama-spm-f32-tied', 'llama-spm-f16-untied', 'granite-bf16']) {
      test(name, async () => {
        const model = tinyModel(name);
        const { prompts } = JSON.parse(readFileSync(model.expected, 'utf8'));
        const wanted = { url: model.url, logits: prompts.map((/** @type {any} */ { tokens }) => tokens) };
        const [single, eight] = [await numbers(wanted, 'f32'), await numbers(wanted, 'q8_0')];
        let error = 0;
        for (const [index, { logprobs_f64: expected }] of prompts.entries()) {
          const one = worstError(logSoftmax(eight.logits[index]), expected);
          worst.add(`  ${name}`, one, expected.length);
          error = Math.max(error, one);
          assert.ok(worstError(logSoftmax(single.logits[index]), expected) <= limits.f32);
        }
        assert.ok(error > limits.f32, `an error of ${error} is none of 8 bits`);
        assert.ok(error <= LIMIT, `the worst error is ${error}, the limit ${LIMIT}`);
        assert.ok(eight.info.memoryBytes < single.info.memoryBytes);
      });
    }

    test('SmolLM2, a passage, beside f32', async () => {
      const { passages } = JSON.parse(readFileSync(realModel.expected, 'utf8'));
      const wanted = { url: realModel.url, scores: [passages[0].tokens] };
      const [single, eight] = [await numbers(wanted, 'f32'), await numbers(wanted, 'q8_0')];
      const error = worstError(eight.scores[0], single.scores[0]);
      const relative = Math.abs(perplexity(eight.scores[0]) / perplexity(single.scores[0]) - 1);
      worst.add('  SmolLM2, scores beside f32', error, eight.scores[0].length);
      worst.add('  SmolLM2, perplexity beside f32', relative, 1);
      assert.ok(error > 0 && error <= LIMIT, `the worst error is ${error}, the limit ${LIMIT}`);
      assert.ok(relative <= PERPLEXITY, `the perplexity is off by ${relative}`);
    });
  });
}

test('q8_0 is the CPU\'s alone', { skip: missing('chromium'), timeout: 120_000 }, async () => {
  const session = await open({ engine: 'chromium', webgpu: true });
  try {
    const found = await session.evaluate(async (url) => {
      const { load } = await import(`${location.origin}/pkg/dist/index.js`);
      const { failure } = await import(`${location.origin}/browser/in-page.js`);
      const start = (/** @type {any} */ options) => load(url, { cache: 'none', ...options });
      const model = await start({ backend: 'auto', kvCacheType: 'q8_0' });
      const { backend, kvCacheType } = model.info;
      await model.close();
      const refused = { webgpu: await failure(start({ backend: 'webgpu', kvCacheType: 'q8_0' })), halves: await failure(start({ backend: 'cpu', kvCacheType: 'f16' })) };
      return { auto: [backend, kvCacheType], ...refused };
    }, tinyModel('llama-spm-f32-tied').url);
    assert.deepEqual(found.auto, ['cpu', 'q8_0']);
    assert.equal(found.webgpu.code, 'unsupported-option');
    assert.match(found.webgpu.message, /kvCacheType is 'q8_0'; here there are 'f32'/);
    assert.equal(found.halves.code, 'unsupported-option');
    assert.match(found.halves.message, /kvCacheType is 'f16'; here there are 'f32', 'q8_0'/);
  } finally {
    await session.close();
  }
});
