// Tiny models of each supported kind, on every engine and backend, by the package's public API, against float64
// references. See tests/goldens/README.md for where those come from.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { assertGreedy, logSoftmax, Worst, worstError } from './compare.mjs';
import { limitOf, paths, tinyModels } from './paths.mjs';

const GREEDY_TOKENS = 16;
assert.ok(tinyModels.length >= 3, 'the tiny models are missing');

for (const path of paths) {
  describe(path.name, { skip: missing(path.engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    const worst = new Worst();

    before(async () => { session = await open({ engine: path.engine, webgpu: path.backend === 'webgpu' }); });
    after(async () => {
      await session?.close();
      console.log(`${path.name}\n${worst}`);
    });

    for (const model of tinyModels) {
      test(model.name, async () => {
        const { prompts, n_vocab: vocabulary, tokenizer, tensor_types: types } = JSON.parse(readFileSync(model.expected, 'utf8'));
        const limit = limitOf(path, types);
        const scored = prompts.filter((/** @type {any} */ { tokens }) => tokens.length > 1);
        const actual = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).numbers(args), {
          url: model.url,
          backend: path.backend,
          logits: prompts.map((/** @type {any} */ { tokens }) => tokens),
          scores: scored.map((/** @type {any} */ { tokens }) => tokens),
          greedy: prompts.map((/** @type {any} */ { tokens }) => ({ tokens, maxTokens: GREEDY_TOKENS })),
        });
        assert.equal(actual.info.backend, path.backend);
        assert.equal(actual.info.vocabularySize, vocabulary);
        assert.ok(prompts.length >= 5 && scored.length >= 4, 'prompts are missing');

        const name = `  ${model.name}, limit ${limit}`;
        for (const [index, prompt] of prompts.entries()) {
          worst.add(`${name}, logits`, worstError(logSoftmax(actual.logits[index]), prompt.logprobs_f64), vocabulary);
        }
        for (const [index, prompt] of scored.entries()) {
          worst.add(`${name}, score`, worstError(actual.scores[index], prompt.token_logprobs_f32), prompt.tokens.length - 1);
        }
        let held = 0;
        for (const [index, prompt] of prompts.entries()) {
          assert.equal(actual.greedy[index].length, GREEDY_TOKENS);
          held += assertGreedy(actual.greedy[index], prompt.greedy_f32, prompt.greedy_gap_f32);
          // without a tokenizer that is known, ids go in and out, and there is no text
          if (tokenizer.model === 'llama') assert.equal(actual.texts[index], '');
        }
        worst.add(`${name}, greedy ids equal`, 0, held);
        assert.equal(held, prompts.length * GREEDY_TOKENS, 'every id of these prompts is determined');
        const largest = Math.max(worst.of(`${name}, logits`), worst.of(`${name}, score`));
        assert.ok(largest <= limit, `the worst error is ${largest}, the limit ${limit}\n${worst}`);
      });
    }
  });
}
