// What the golden tests compare with. Every function refuses emptiness, other lengths and anything that is not a
// finite number: NaN compares as neither larger nor smaller, and comes from a page as null.
import assert from 'node:assert/strict';

/**
 * ln of the softmax of `logits`.
 * @param {readonly number[]} logits
 */
export function logSoftmax(logits) {
  assertFinite(logits, 'logits');
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return logits.map((logit) => logit - largest - Math.log(sum));
}

/**
 * The largest absolute difference.
 * @param {readonly number[]} actual @param {readonly number[]} expected
 */
export function worstError(actual, expected) {
  assertFinite(actual, 'actual values');
  assertFinite(expected, 'expected values');
  assert.equal(actual.length, expected.length, 'the number of values');
  return actual.reduce((worst, value, index) => Math.max(worst, Math.abs(value - expected[index])), 0);
}

/**
 * The mean absolute difference.
 * @param {readonly number[]} actual @param {readonly number[]} expected
 */
export function meanError(actual, expected) {
  worstError(actual, expected); // refuses what cannot be compared
  return actual.reduce((sum, value, index) => sum + Math.abs(value - expected[index]), 0) / actual.length;
}

/**
 * How many greedy ids the reference determines: a best token that leads by less than `gap` may be another one after
 * rounding, and everything after it with it.
 * @param {readonly number[]} gaps @param {number} [gap]  in log-probability
 */
export function determined(gaps, gap = 0.1) {
  assertFinite(gaps, 'gaps');
  const first = gaps.findIndex((value) => value < gap);
  return first === -1 ? gaps.length : first;
}

/**
 * The gaps of a list of greedy ids that llama.cpp gives for the file as it is, too, as far as the lists agree: the smaller of the two.
 * @param {any} prompt @param {number} [agree]
 * @returns {number[]}
 */
export function commonGaps({ greedy_gap: native, greedy_gap_f32: single }, agree = native.length) {
  return native.slice(0, agree).map((/** @type {number} */ gap, /** @type {number} */ i) => Math.min(gap, single[i]));
}

/**
 * Fails unless `actual` begins with the ids that are determined; gives their number, which can be 0: hold the sum over
 * all prompts against something.
 * @param {readonly number[]} actual @param {readonly number[]} expected @param {readonly number[]} gaps
 * @param {number} [gap]  as of `determined`
 */
export function assertGreedy(actual, expected, gaps, gap) {
  const count = Math.min(determined(gaps, gap), actual.length);
  assert.ok(actual.length > 0, 'no id was generated');
  assert.deepEqual(actual.slice(0, count), expected.slice(0, count), `the first ${count} greedy ids`);
  return count;
}

/**
 * exp of the mean negative log-probability.
 * @param {readonly number[]} logprobs
 */
export function perplexity(logprobs) {
  assertFinite(logprobs, 'log-probabilities');
  return Math.exp(-logprobs.reduce((sum, value) => sum + value, 0) / logprobs.length);
}

/** @param {readonly unknown[]} values @param {string} what */
function assertFinite(values, what) {
  assert.ok(values.length > 0, `${what}: there are none`);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  assert.equal(bad, -1, `${what}: number ${bad} is ${values[bad]}`);
}

/** Collects the largest error of each thing, to be printed in the end. */
export class Worst {
  /** @type {Map<string, { error: number, count: number }>} */
  #all = new Map();

  /** @param {string} what @param {number} error @param {number} [count]  of numbers compared */
  add(what, error, count = 1) {
    const before = this.#all.get(what) ?? { error: 0, count: 0 };
    this.#all.set(what, { error: Math.max(before.error, error), count: before.count + count });
  }

  /** @param {string} what */
  of(what) {
    const found = this.#all.get(what);
    if (!found) throw new Error(`nothing was compared as "${what}"`);
    return found.error;
  }

  /** Of each thing what was found. */
  lines() {
    return [...this.#all].map(([what, { error, count }]) => /** @type {const} */ ([what, { worst: error, count }]));
  }

  toString() {
    return [...this.#all].map(([what, { error, count }]) => `${what}: worst ${error.toExponential(1)} of ${count}`).join('\n');
  }
}
