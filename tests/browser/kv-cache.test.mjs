// Keys and values that are rounded, to 16 or to 8 bits: what that does to a model's numbers, and to its memory. With weights in
// f32 or halves nothing else is rounded so, whichever build or backend runs them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { logSoftmax, perplexity, Worst, worstError } from './compare.mjs';
import { limits, realModel, tinyModel } from './paths.mjs';

/** Of SmolLM2's perplexity on a passage, over f32 in the same build, less one. */
const PERPLEXITY = 0.006;

/**
 * `limit` is the largest difference of a log-probability to float64: 0.15 was seen with 8 bits, and 0.36 of SmolLM2 beside f32. Where
 * activations have 8 bits, SmolLM2 has their limit: any change of a key turns the rounding of some. A type
 * that is not `asked` for is the backend's choice. Software adapters are slow: `tokens` of the passage.
 * @typedef {{ kv: 'f16' | 'i16' | 'q8_0', asked: boolean, limit: number }} Rounding
 */
const eight = { kv: /** @type {const} */ ('q8_0'), asked: true, limit: limits.eightBits };
const sixteen = { kv: /** @type {const} */ ('i16'), asked: false, limit: limits.halves };
const halves = { kv: /** @type {const} */ ('f16'), asked: false, limit: limits.halves };
/** @type {{ engine: import('./browsers.mjs').EngineName, backend: 'cpu' | 'webgpu', build: import('./paths.mjs').Build, tokens: number, types: Rounding[] }[]} */
const settings = [
  { engine: 'chromium', backend: 'cpu', build: { kernels: 'baseline' }, tokens: Infinity, types: [sixteen, eight] },
  { engine: 'chromium', backend: 'cpu', build: { kernels: 'relaxed', threads: 1 }, tokens: Infinity, types: [sixteen, eight] },
  { engine: 'chromium', backend: 'cpu', build: { kernels: 'relaxed', threads: 2 }, tokens: Infinity, types: [sixteen, eight] },
  { engine: 'firefox', backend: 'cpu', build: { kernels: 'relaxed', threads: 1 }, tokens: Infinity, types: [sixteen, eight] },
  // SmolLM2 takes minutes there; Firefox has it here, and lavapipe in tests/goldens.rs
  { engine: 'chromium', backend: 'webgpu', build: {}, tokens: 0, types: [halves, eight] },
  { engine: 'firefox', backend: 'webgpu', build: {}, tokens: 32, types: [halves, eight] },
];

for (const { engine, backend, build, tokens, types } of settings) {
  const where = [engine, backend, ...Object.values(build)].join(', ');
  describe(`rounded keys and values, ${where}`, { skip: missing(engine), timeout: 600_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    const worst = new Worst();
    before(async () => { session = await open({ engine, webgpu: backend === 'webgpu' }); });
    after(async () => {
      await session?.close();
      console.log(`rounded keys and values, ${where}\n${worst}`);
    });

    /** @param {any} wanted @param {'f32' | 'f16' | 'i16' | 'q8_0'} kv @param {boolean} [asked] */
    const numbers = async (wanted, kv, asked = true) => {
      const args = { backend, ...wanted, build: { ...build, ...(asked && { kvCacheType: kv }) } };
      const actual = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).numbers(args), args);
      assert.equal(actual.info.kvCacheType, kv);
      return actual;
    };

    // natively all tiny models are held to it (`tests/goldens.rs`); software adapters are slow
    for (const name of ['llama-spm-f32-tied', 'llama-spm-f16-untied', 'granite-bf16'].slice(0, backend === 'webgpu' ? 1 : 3)) {
      test(name, async () => {
        const model = tinyModel(name);
        const { prompts } = JSON.parse(readFileSync(model.expected, 'utf8'));
        const wanted = { url: model.url, logits: prompts.map((/** @type {any} */ { tokens }) => tokens) };
        const single = await numbers(wanted, 'f32');
        for (const [index, { logprobs_f64: expected }] of prompts.entries()) {
          assert.ok(worstError(logSoftmax(single.logits[index]), expected) <= limits.f32);
        }
        for (const { kv, asked, limit } of types) {
          const rounded = await numbers(wanted, kv, asked);
          let error = 0;
          for (const [index, { logprobs_f64: expected }] of prompts.entries()) {
            const one = worstError(logSoftmax(rounded.logits[index]), expected);
            worst.add(`  ${name}, ${kv}`, one, expected.length);
            error = Math.max(error, one);
          }
          assert.ok(error > limits.f32, `an error of ${error} is none of ${kv}`);
          assert.ok(error <= limit, `the worst error is ${error}, the limit ${limit}`);
          assert.ok(rounded.info.memoryBytes < single.info.memoryBytes);
        }
      });
    }

    // a window of 8 is 80 slots on the GPU, of a context of 256; the CPU holds all
    test('windows: a text that is gone back to is that of a fresh run', async () => {
      const { url } = tinyModel('gemma3-q4_0-window8');
      const args = { url, backend, build: { ...build, kvCacheType: /** @type {const} */ ('f32') } };
      const { worst: error, kept, begun } = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).goBack(args), args);
      console.log(`  windows, ${where}: ${kept} kept, ${begun} begun anew, worst ${error}`);
      assert.ok(error <= limits.f32, `the worst difference is ${error}`);
      assert.ok(kept > 2 && (begun > 0) === (backend === 'webgpu'), `${kept} kept, ${begun} begun anew`);
    });

    test('SmolLM2, a passage, beside f32', { skip: tokens === 0 && 'SwiftShader takes minutes' }, async () => {
      const { passages } = JSON.parse(readFileSync(realModel.expected, 'utf8'));
      const wanted = { url: realModel.url, scores: [passages[0].tokens.slice(0, tokens)] };
      const single = await numbers(wanted, 'f32');
      for (const { kv, asked, limit } of types) {
        const rounded = await numbers(wanted, kv, asked);
        const error = worstError(rounded.scores[0], single.scores[0]);
        const relative = Math.abs(perplexity(rounded.scores[0]) / perplexity(single.scores[0]) - 1);
        worst.add(`  SmolLM2, ${kv}, scores beside f32`, error, rounded.scores[0].length);
        worst.add(`  SmolLM2, ${kv}, perplexity beside f32`, relative, 1);
        const most = build.kernels === 'relaxed' ? limits.eightBits : limit;
        assert.ok(error > 0 && error <= most, `the worst error is ${error}, the limit ${most}`);
        assert.ok(relative <= PERPLEXITY, `the perplexity is off by ${relative}`);
      }
    });
  });
}

test('each backend has a choice of its own, and 16 bits of its own', { skip: missing('chromium'), timeout: 120_000 }, async () => {
  const session = await open({ engine: 'chromium', webgpu: true });
  try {
    const found = await session.evaluate(async (url) => {
      const { load } = await import(`${location.origin}/pkg/dist/index.js`);
      const start = (/** @type {any} */ options) => load(url, { cache: 'none', ...options });
      const taken = async (/** @type {any} */ options) => {
        const model = await start(options);
        const { backend, kvCacheType, backendReason } = model.info;
        await model.close();
        return [backend, kvCacheType, backendReason];
      };
      return {
        cpu: await taken({ backend: 'cpu' }),
        webgpu: await taken({ backend: 'webgpu' }),
        eight: await taken({ backend: 'auto', kvCacheType: 'q8_0' }),
        halves: await taken({ backend: 'auto', kvCacheType: 'f16' }),
        eightOnGpu: await taken({ backend: 'webgpu', kvCacheType: 'q8_0' }),
        halvesOnCpu: await taken({ backend: 'cpu', kvCacheType: 'f16' }),
        integersOnGpu: await taken({ backend: 'webgpu', kvCacheType: 'i16' }),
      };
    }, tinyModel('llama-spm-f32-tied').url);
    assert.deepEqual(found.cpu.slice(0, 2), ['cpu', 'i16']);
    assert.deepEqual(found.webgpu.slice(0, 2), ['webgpu', 'f16']);
    assert.deepEqual(found.eight.slice(0, 2), ['cpu', 'q8_0']);
    assert.deepEqual(found.halves.slice(0, 2), ['cpu', 'i16']);
    assert.deepEqual(found.eightOnGpu.slice(0, 2), ['webgpu', 'q8_0']);
    assert.deepEqual(found.halvesOnCpu.slice(0, 2), ['cpu', 'i16']);
    assert.deepEqual(found.integersOnGpu.slice(0, 2), ['webgpu', 'f16']);
  } finally {
    await session.close();
  }
});
