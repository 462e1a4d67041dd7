// The limits to which tiny models are held notice faults that are planted in their files: on the CPU, whose limits are the wider
// ones, and in the same comparison. tests/goldens/faults.rs does it for f32 arithmetic.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { logSoftmax, worstError } from './compare.mjs';
import { largerCount, scaleBits, scaledFloat, swappedNibble } from './faults.mjs';
import { limitOf, limits, paths, tinyModel } from './paths.mjs';

/** @typedef {[string, string, (file: Buffer) => import('./faults.mjs').Edit[]]} Fault */
/** @type {{ on: string, limit: number, faults: Fault[] }[]} */
const wanted = [
  {
    on: 'Chromium cpu',
    limit: limits.fifteenBits,
    faults: [
      ['a swapped nibble', 'llama-bpe-q4_0-ropefreqs-tied', (file) => swappedNibble(file, 'blk.1.ffn_down.weight')],
      ['scales that are one bit off', 'llama-bpe-q4_0-ropefreqs-tied', (file) => scaleBits(file, 'blk.0.attn_v.weight')],
      ['a rotary base that is 1 % off', 'gemma3-q4_0-window8', (file) => scaledFloat(file, 'gemma3.rope.freq_base', 1.01)],
      ['a window that is off by one', 'gemma3-q4_0-window8', (file) => largerCount(file, 'gemma3.attention.sliding_window', 1)],
    ],
  },
  {
    // what 8-bit activations hide has to be found by the builds without, and by comparing every product with its integer twin
    on: 'Chromium cpu, relaxed',
    limit: limits.eightBits,
    faults: [
      ['scales that are a higher bit off', 'llama-bpe-q4_0-ropefreqs-tied', (file) => scaleBits(file, 'blk.0.attn_v.weight', 7)],
      ['a rotary base that is three times as large', 'gemma3-q4_0-window8', (file) => scaledFloat(file, 'gemma3.rope.freq_base', 3)],
      ['a window that is off by one', 'gemma3-q4_0-window8', (file) => largerCount(file, 'gemma3.attention.sliding_window', 1)],
    ],
  },
];

for (const { on, limit: allowed, faults } of wanted) {
  const path = paths.find(({ name }) => name === on) ?? assert.fail('there is no such path');
  describe(`faults, ${path.name}`, { skip: missing(path.engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    before(async () => { session = await open({ engine: path.engine }); });
    after(() => session?.close());

    /**
     * The worst error of a model's log-probabilities, and the limit.
     * @param {string} name @param {import('./faults.mjs').Edit[]} edits
     */
    async function worst(name, edits) {
      const { url, expected } = tinyModel(name);
      const { prompts, tensor_types: types } = JSON.parse(readFileSync(expected, 'utf8'));
      const { logits } = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).numbers(args), {
        url, edits, backend: path.backend, build: path.build, logits: prompts.map((/** @type {any} */ { tokens }) => tokens),
      });
      const errors = prompts.map((/** @type {any} */ prompt, /** @type {number} */ at) => worstError(logSoftmax(logits[at]), prompt.logprobs_f64));
      return { error: Math.max(...errors), limit: limitOf(path, types) };
    }

    for (const [what, name, plant] of faults) {
      test(`${what} in ${name}`, async () => {
        const sound = await worst(name, []);
        assert.equal(sound.limit, allowed);
        assert.ok(sound.error <= sound.limit, `${sound.error} without a fault`);
        const { error, limit } = await worst(name, plant(readFileSync(tinyModel(name).file)));
        console.log(`${what}: ${error.toFixed(4)} instead of ${sound.error.toFixed(4)}, the limit is ${limit}`);
        assert.ok(error > limit, `the worst error is ${error}, within the limit ${limit}`);
      });
    }
  });
}
