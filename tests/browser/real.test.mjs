// Real models, on every engine and backend, against llama.cpp on float32 weights and float64 numpy. How much of each:
// paths.mjs.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { assertGreedy, commonGaps, meanError, perplexity, Worst, worstError } from './compare.mjs';
import { writeMeasured } from './measured.mjs';
import { limitOf, limits, paths, realModels } from './paths.mjs';

/** @typedef {{ text: string, tokens: number[], greedy_f32: number[], greedy_gap: number[], greedy_gap_f32: number[], native_and_f32_agree_for: number, first_top10_f32: [number, number][] }} Prompt */
/** @typedef {{ name: string, tokens: number[], token_logprobs: number[], token_logprobs_f64: number[] }} Passage */

assert.equal(realModels.length, 2);
for (const model of realModels) {
  assert.ok(existsSync(model.file), `${model.file} is missing; run "make model"`);
  for (const path of paths) check(model, path);
}

/** @param {import('./paths.mjs').RealModel} model @param {import('./paths.mjs').Path} path */
function check(model, path) {
  /** @type {{ prompts: Prompt[], passages: Passage[] }} */
  const { prompts, passages } = JSON.parse(readFileSync(model.expected, 'utf8'));
  assert.ok(prompts.length === 10 && passages.length === 2, 'prompts or passages are missing');
  const todo = model.work(path);
  const limit = limitOf(path, model.types);
  const asked = todo.prompts.map((index) => prompts[index]);
  const scored = passages.slice(0, todo.passages).map((passage) => ({ ...passage, tokens: passage.tokens.slice(0, todo.tokens) }));

  describe(`${model.name}, ${path.name}`, { skip: missing(path.engine), timeout: 600_000 }, () => {
    /** @type {any} */
    let actual;
    const worst = new Worst();

    before(async () => {
      const session = await open({ engine: path.engine, webgpu: path.backend === 'webgpu' });
      try {
        actual = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).numbers(args), {
          url: model.url,
          backend: path.backend,
          build: path.build,
          likely: asked.map(({ tokens, first_top10_f32: top }) => ({ tokens, ids: top.map(([id]) => id) })),
          greedy: asked.map(({ tokens }) => ({ tokens, maxTokens: todo.ids })),
          scores: scored.map(({ tokens }) => tokens),
          texts: prompts.map(({ text }) => text),
        });
      } finally {
        await session.close();
      }
    });
    after(() => {
      console.log(`${model.name}, ${path.name}, limit ${limit}\n${worst}`);
      const about = { kind: /** @type {const} */ ('model'), name: model.name, backend: path.name };
      writeMeasured('browser', `${model.name} ${path.name}`, worst.lines().map(([what, numbers]) => ({ ...about, what, ...numbers })));
    });

    test('is loaded for what was asked for', () => {
      assert.equal(actual.info.backend, path.backend);
      if (path.build.threads !== undefined) assert.equal(actual.info.threads, path.build.threads);
      if (path.build.kernels !== undefined) assert.ok(actual.info.kernels.startsWith(path.build.kernels), actual.info.kernels);
      assert.equal(actual.info.architecture, model.architecture);
      assert.equal(actual.info.quantisation, model.quantisation);
    });

    test('the ids of every prompt', () => {
      assert.deepEqual(actual.tokens, prompts.map(({ tokens }) => tokens));
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
      worst.add('greedy', 0, held);
      assert.ok(held >= Math.min(80, 5 * asked.length), `the references determine only ${held} ids`);
    });

    test(`the ten most likely ids after ${asked.length} prompts`, () => {
      assert.equal(actual.likely.length, asked.length);
      const most = Math.max(limit, model.llamaCpp);
      for (const [index, { first_top10_f32: top }] of asked.entries()) {
        const { of, others } = actual.likely[index];
        const error = worstError(of, top.map(([, logprob]) => logprob));
        worst.add('logits', error, of.length);
        assert.ok(error <= most, `prompt ${index}: the worst error is ${error}, the limit ${most}`);
        assert.ok(others <= top[top.length - 1][1] + most, `prompt ${index}: another id has ${others}`);
      }
    });

    test(`score, ${scored.length} passages`, () => {
      assert.equal(actual.scores.length, scored.length);
      for (const [index, { name, tokens, token_logprobs: native, token_logprobs_f64: numbers }] of scored.entries()) {
        const expected = numbers.slice(0, tokens.length - 1);
        if (limit === limits.eightBits) {
          const ratio = meanError(actual.scores[index], expected) / meanError(native.slice(0, tokens.length - 1), expected);
          worst.add("mean error over llama.cpp's own", ratio);
          assert.ok(ratio <= limits.eightBitsMean, `${name}: the mean error is ${ratio} times llama.cpp's`);
        }
        const error = worstError(actual.scores[index], expected);
        const relative = Math.abs(perplexity(actual.scores[index]) / perplexity(expected) - 1);
        worst.add('scores', error, expected.length);
        worst.add('perplexity', relative, expected.length);
        assert.ok(error <= limit, `${name}: the worst error is ${error}, the limit ${limit}`);
        assert.ok(relative <= 0.006, `${name}: the perplexity is off by ${relative}`);
      }
    });
  });
}
