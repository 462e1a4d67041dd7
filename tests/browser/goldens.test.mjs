// Tiny models of each supported kind, on every engine and backend, by the package's public API, against float64
// references. See tests/goldens/README.md for where those come from.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { assertGreedy, commonGaps, logSoftmax, meanError, Worst, worstError } from './compare.mjs';
import { writeMeasured } from './measured.mjs';
import { limitOf, limits, paths, switchedPaths, tinyModels } from './paths.mjs';

/**
 * How many tokens are generated. SwiftShader is the slowest path by far: it goes half the way, which the same shaders go on to
 * the end in Firefox and natively. What is switched is in prompts, and in every single row alike.
 * @param {import('./paths.mjs').Path} path
 */
const greedyTokens = (path) => (switchedPaths.includes(path) ? 2 : path.engine === 'chromium' && path.backend === 'webgpu' ? 8 : 16);
assert.ok(tinyModels.length >= 24, 'tiny models are missing');

/** @param {string} name */
const usesGeluTable = (name) => /^gemma[23]-/.test(name);
/**
 * llama.cpp's numbers on float32 weights; float64 ones where it has none.
 * @param {any} prompt @param {string} name
 */
const single = (prompt, name) => prompt[`${name}_f32`] ?? prompt[`${name}_f64`];

for (const path of [...paths, ...switchedPaths]) {
  describe(path.name, { skip: missing(path.engine), timeout: 1_800_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    const worst = new Worst();
    /** @type {import('./measured.mjs').Line[]} */
    const measured = [];
    const maxTokens = greedyTokens(path);

    before(async () => { session = await open({ engine: path.engine, webgpu: path.backend === 'webgpu' }); });
    after(async () => {
      await session?.close();
      console.log(`${path.name}\n${worst}`);
      // the table is of what is computed without being asked for
      if (!switchedPaths.includes(path)) writeMeasured('browser', `tiny ${path.name}`, measured);
    });

    for (const [at, model] of tinyModels.entries()) {
      // SwiftShader takes ten seconds a model: of what is switched there it has every other one, which Firefox and native tests have all of
      const skip = switchedPaths.includes(path) && path.engine === 'chromium' && at % 2 === Number(path.build.webgpu?.subgroups === false);
      if (!skip) test(model.name, async () => {
        const { prompts, n_vocab: vocabulary, tensor_types: types } = JSON.parse(readFileSync(model.expected, 'utf8'));
        const limit = limitOf(path, types);
        const scored = prompts.filter((/** @type {any} */ { tokens }) => tokens.length > 1);
        const actual = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).numbers(args), {
          url: model.url,
          backend: path.backend,
          build: path.build,
          logits: prompts.map((/** @type {any} */ { tokens }) => tokens),
          scores: scored.map((/** @type {any} */ { tokens }) => tokens),
          greedy: prompts.map((/** @type {any} */ { tokens }) => ({ tokens, maxTokens })),
        });
        assert.equal(actual.info.backend, path.backend);
        if (path.build.threads !== undefined) assert.equal(actual.info.threads, path.build.threads);
        if (path.build.kernels !== undefined) assert.ok(actual.info.kernels.startsWith(path.build.kernels), actual.info.kernels);
        const subgroups = path.engine === 'chromium' && path.build.webgpu?.subgroups !== false;
        if (path.backend === 'webgpu') assert.deepEqual(actual.info.webgpu, { prefill: path.build.webgpu?.prefill ?? 'f32', subgroups });
        assert.equal(actual.info.vocabularySize, vocabulary);
        assert.ok(prompts.length >= 5 && scored.length >= 4, 'prompts are missing');

        const name = `  ${model.name}, limit ${limit}`;
        const means = { ours: 0, native: 0 };
        for (const [index, prompt] of prompts.entries()) {
          if (limit === limits.eightBits && prompt.logprobs) {
            const ours = logSoftmax(actual.logits[index]);
            worst.add(`${name}, logits to llama.cpp's own`, worstError(ours, prompt.logprobs), vocabulary);
            means.ours += meanError(ours, prompt.logprobs_f64) / prompts.length;
            means.native += meanError(prompt.logprobs, prompt.logprobs_f64) / prompts.length;
          }
          worst.add(`${name}, logits`, worstError(logSoftmax(actual.logits[index]), prompt.logprobs_f64), vocabulary);
        }
        for (const [index, prompt] of scored.entries()) {
          // 8-bit activations send a token to other experts than float32 ones do, and llama.cpp's own to the same
          const isRouted = limit === limits.eightBits && /experts|moe/.test(model.name);
          const reference = isRouted ? prompt.token_logprobs : single(prompt, 'token_logprobs');
          worst.add(`${name}, score`, worstError(actual.scores[index], reference), prompt.tokens.length - 1);
        }
        let held = 0;
        for (const [index, prompt] of prompts.entries()) {
          assert.equal(actual.greedy[index].length, maxTokens);
          const is8Bit = limit === limits.eightBits;
          // without a list of llama.cpp's own, 8-bit activations determine an id only where it leads by more than their error
          const [gaps, gap] = is8Bit && prompt.greedy_gap ? [commonGaps(prompt), undefined]
            : [single(prompt, 'greedy_gap'), is8Bit ? limit : undefined];
          held += assertGreedy(actual.greedy[index], single(prompt, 'greedy'), gaps, gap);
        }
        worst.add(`${name}, greedy ids equal`, 0, held);
        // with activations of 8 bits most of them, if llama.cpp's own list is there
        const least = limit !== limits.eightBits ? 1 : prompts.every((/** @type {any} */ prompt) => prompt.greedy_gap) ? 0.9 : 0;
        assert.ok(held > 0 && held >= least * prompts.length * maxTokens, `${held} ids of these prompts are determined`);
        const logits = worst.of(`${name}, logits`);
        const score = worst.of(`${name}, score`);
        const about = { kind: /** @type {const} */ ('architecture'), name: actual.info.architecture, backend: path.name };
        measured.push({ ...about, what: 'logits', worst: logits, count: prompts.length * vocabulary });
        measured.push({ ...about, what: 'scores', worst: score, count: scored.reduce((/** @type {number} */ sum, /** @type {any} */ { tokens }) => sum + tokens.length - 1, 0) });
        const scoreLimit = Math.max(limit, usesGeluTable(model.name) ? limits.geluTable : 0);
        assert.ok(logits <= limit, `the worst error is ${logits}, the limit ${limit}\n${worst}`);
        if (means.native > 0) {
          const ratio = means.ours / means.native;
          worst.add(`${name}, mean error over llama.cpp's own`, ratio, prompts.length);
          assert.ok(worst.of(`${name}, logits to llama.cpp's own`) <= limit, `${worst}`);
          assert.ok(ratio <= limits.eightBitsMean, `the mean error is ${ratio} times llama.cpp's\n${worst}`);
        }
        assert.ok(score <= scoreLimit, `the worst error of a score is ${score}, the limit ${scoreLimit}\n${worst}`);
      });
    }
  });
}
