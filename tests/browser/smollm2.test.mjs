// The default model, on every engine and backend, against llama.cpp on float32 weights and float64 numpy.
// Software WebGPU adapters answer with about two tokens a second, so only the CPU in Chromium does all of it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { assertGreedy, commonGaps, meanError, perplexity, Worst, worstError } from './compare.mjs';
import { limitOf, limits, paths, realModel } from './paths.mjs';

assert.ok(existsSync(realModel.file), `${realModel.file} is missing; run "make model"`);
const { prompts, passages } = JSON.parse(readFileSync(realModel.expected, 'utf8'));
assert.ok(prompts.length === 10 && passages.length === 2, 'prompts or passages are missing');

/** How much each path does: prompts, greedy ids of each, and tokens of each passage (all of both: Infinity). */
const work = /** @type {Record<string, { prompts: number, ids: number, passages: number, tokens: number }>} */ ({
  'Chromium cpu': { prompts: 10, ids: 64, passages: 2, tokens: Infinity },
  'Chromium cpu, relaxed': { prompts: 2, ids: 64, passages: 1, tokens: 64 },
  'Chromium cpu, threads': { prompts: 2, ids: 64, passages: 1, tokens: 64 },
  'Chromium webgpu': { prompts: 2, ids: 8, passages: 1, tokens: 64 },
  'Firefox cpu': { prompts: 2, ids: 16, passages: 1, tokens: 64 },
  'Firefox cpu, relaxed': { prompts: 2, ids: 16, passages: 1, tokens: 64 },
  'Firefox cpu, threads': { prompts: 2, ids: 16, passages: 1, tokens: 64 },
  'Firefox webgpu': { prompts: 2, ids: 8, passages: 1, tokens: 64 },
  'WebKit cpu': { prompts: 2, ids: 16, passages: 1, tokens: 64 },
});

for (const path of paths) {
  const todo = work[path.name];
  const limit = limitOf(path, { Q4_1: 1, Q8_0: 1 });
  describe(`SmolLM2, ${path.name}`, { skip: missing(path.engine), timeout: 600_000 }, () => {
    /** @type {any} */
    let actual;
    const worst = new Worst();
    const asked = prompts.slice(0, todo.prompts);
    const scored = passages.slice(0, todo.passages).map((/** @type {any} */ passage) => ({ ...passage, tokens: passage.tokens.slice(0, todo.tokens) }));

    before(async () => {
      const session = await open({ engine: path.engine, webgpu: path.backend === 'webgpu' });
      try {
        actual = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).numbers(args), {
          url: realModel.url,
          backend: path.backend,
          build: path.build,
          greedy: asked.map((/** @type {any} */ { tokens }) => ({ tokens, maxTokens: todo.ids })),
          scores: scored.map((/** @type {any} */ { tokens }) => tokens),
          texts: prompts.map((/** @type {any} */ { text }) => text),
        });
      } finally {
        await session.close();
      }
    });
    after(() => console.log(`SmolLM2, ${path.name}, limit ${limit}\n${worst}`));

    test('is loaded for what was asked for', () => {
      assert.equal(actual.info.backend, path.backend);
      if (path.build.threads !== undefined) assert.equal(actual.info.threads, path.build.threads);
      if (path.build.kernels !== undefined) assert.equal(actual.info.kernels, path.build.kernels);
      assert.equal(actual.info.architecture, 'llama');
      assert.equal(actual.info.quantisation, 'Q4_1');
    });

    test('the ids of every prompt', () => {
      assert.deepEqual(actual.tokens, prompts.map((/** @type {any} */ { tokens }) => tokens));
    });

    test(`greedy, ${asked.length} prompts`, () => {
      assert.equal(actual.greedy.length, asked.length);
      let held = 0;
      for (const [index, prompt] of asked.entries()) {
        const { greedy_f32: ids, native_and_f32_agree_for: agree } = prompt;
        const gaps = limit === limits.eightBits ? commonGaps(prompt, agree) : prompt.greedy_gap_f32;
        assert.equal(actual.greedy[index].length, todo.ids);
        held += assertGreedy(actual.greedy[index], ids, gaps);
      }
      worst.add('  greedy ids equal', 0, held);
      assert.ok(held >= Math.min(100, 5 * asked.length), `the references determine only ${held} ids`);
    });

    test(`score, ${scored.length} passages`, () => {
      assert.equal(actual.scores.length, scored.length);
      for (const [index, { name, tokens, token_logprobs_f64: all, token_logprobs: native }] of scored.entries()) {
        const expected = all.slice(0, tokens.length - 1);
        const error = worstError(actual.scores[index], expected);
        worst.add(`  ${name}`, error, expected.length);
        if (limit === limits.eightBits) {
          const ratio = meanError(actual.scores[index], expected) / meanError(native.slice(0, tokens.length - 1), expected);
          worst.add(`  ${name}, mean error over llama.cpp's own`, ratio);
          assert.ok(ratio <= limits.eightBitsMean, `${name}: the mean error is ${ratio} times llama.cpp's`);
        }
        worst.add(`  ${name}, perplexity, relative`, Math.abs(perplexity(actual.scores[index]) / perplexity(expected) - 1), expected.length);
        assert.ok(error <= limit, `${name}: the worst error is ${error}, the limit ${limit}`);
        assert.ok(worst.of(`  ${name}, perplexity, relative`) <= 0.006, `${worst}`);
      }
    });
  });
}
