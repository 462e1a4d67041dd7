// Shows that the comparisons of the golden tests can fail.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { assertGreedy, determined, logSoftmax, perplexity, Worst, worstError } from './compare.mjs';
import { limits, tinyModels } from './paths.mjs';

const expected = JSON.parse(readFileSync(tinyModels[0].expected, 'utf8'));
const [prompt] = expected.prompts;
/** @type {number[]} */
const logprobs = prompt.logprobs_f64;

describe('the comparator', () => {
  test('accepts the reference itself, whatever is added to all logits', () => {
    assert.ok(worstError(logSoftmax(logprobs), logprobs) < 1e-5);
    assert.ok(worstError(logSoftmax(logprobs.map((value) => value + 7)), logprobs) < 1e-5);
  });

  test('sees one logit that is off by twice the limit', () => {
    const shifted = [...logprobs];
    shifted[100] += 2 * limits.f32;
    assert.ok(worstError(logSoftmax(shifted), logprobs) > limits.f32);
  });

  test('sees two logits that are swapped', () => {
    const swapped = [...logprobs];
    [swapped[3], swapped[4]] = [swapped[4], swapped[3]];
    assert.ok(worstError(logSoftmax(swapped), logprobs) > limits.f32);
  });

  for (const [name, bad] of /** @type {[string, any][]} */ ([['NaN', NaN], ['infinity', Infinity], ['the null that a page sends for them', null], ['a hole', undefined]])) {
    test(`refuses ${name} on either side`, () => {
      const broken = [...logprobs];
      broken[5] = bad;
      assert.throws(() => logSoftmax(broken), /number 5 is/);
      assert.throws(() => worstError(broken, logprobs), /number 5 is/);
      assert.throws(() => worstError(logprobs, broken), /number 5 is/);
      assert.throws(() => perplexity(broken), /number 5 is/);
    });
  }

  test('refuses empty and unequal lists', () => {
    assert.throws(() => logSoftmax([]), /there are none/);
    assert.throws(() => worstError([], []), /there are none/);
    assert.throws(() => worstError(logprobs.slice(1), logprobs), /the number of values/);
    assert.throws(() => perplexity([]), /there are none/);
    assert.throws(() => assertGreedy([], [1], [1]), /no id was generated/);
    assert.throws(() => new Worst().of('nothing'), /nothing was compared/);
    assert.throws(() => determined([]), /there are none/);
  });

  test('says how many greedy ids it held: none where the first is undecided', () => {
    assert.equal(assertGreedy([9], [1], [0.05]), 0);
    assert.equal(assertGreedy([1], [1, 2], [0.5, 0.5]), 1);
  });

  test('holds greedy ids up to the first small gap and no further', () => {
    assert.equal(assertGreedy([1, 2, 9], [1, 2, 3], [0.5, 0.2, 0.05]), 2);
    assert.throws(() => assertGreedy([1, 9, 3], [1, 2, 3], [0.5, 0.2, 0.05]), /greedy ids/);
    assert.throws(() => assertGreedy([1, 2, 9], [1, 2, 3], [0.5, 0.2, 0.1]), /greedy ids/);
  });
});
