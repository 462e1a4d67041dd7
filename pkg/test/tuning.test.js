import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pickKernels } from '../build/kernels.js';
import { Tuning, candidates, tune } from '../build/tuning.js';

test('fewer threads are tried, down to one', () => {
  assert.deepEqual([1, 2, 3, 4, 8].map(candidates), [[1], [2, 1], [3, 2, 1], [4, 3, 2, 1], [8, 6, 4, 2]]);
});

/** The number of threads that is found when a token takes `msOf(threads)`. */
function found(threads, msOf) {
  const tuning = new Tuning(threads);
  let tokens = 0;
  for (; !tuning.isDone; tokens += 1) tuning.add(msOf(tuning.threads, tokens));
  assert.ok(tokens <= 200, `${tokens} tokens`);
  return tuning.threads;
}

test('all threads when each helps, fewer when they hinder', () => {
  assert.equal(found(4, (n) => 12 / n), 4);
  assert.equal(found(4, (n) => 12 + n), 1);
  assert.equal(found(8, (n) => 12 / n + n), 4);
  assert.equal(found(2, (n) => 10 + n * 0.1), 2, 'a hundredth is no reason to change');
});

test('a single slow token decides nothing', () => {
  assert.equal(found(2, (n, token) => (token === 84 ? 100 : 12 / n)), 2);
});

test('code that gets faster all the while is no merit of fewer threads', () => {
  assert.equal(found(2, (n, token) => (12 / n) * (1 + 40 / (token + 1))), 2);
  assert.equal(found(4, (n, token) => (12 / n) * (1 + 40 / (token + 1))), 4);
});

test('tokens are timed, prompts are not', async () => {
  let now = 0;
  let threads = 0;
  const steps = [];
  const costs = { prefill: 500, token: 0, finish: 0 };
  const kinds = ['prefill', ...Array(5).fill('token'), 'finish', 'prefill', ...Array(15).fill('token'), 'finish'];
  const engine = { step: async () => { const type = kinds.shift(); steps.push(threads); now += type === 'token' ? 50 * threads : costs[type]; return { type }; } };
  const plain = engine.step;
  tune(engine, 2, (count) => { threads = count; }, () => now);
  while (kinds.length > 0) await engine.step();
  // of each turn's tokens all but the first count: eight with two threads, then one with each in turn
  const [, , ...first] = steps.slice(0, 7);
  assert.deepEqual(first, [2, 2, 2, 2, 2]);
  assert.deepEqual(steps.slice(7), [2, 2, 2, 2, 2, 2, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1]);
  assert.equal(threads, 1);
  assert.notEqual(engine.step, plain, 'bound');
});

/** A module with these forms. */
function moduleOf(...forms) {
  const state = { set: undefined };
  return { state, kernelForms: () => forms, setKernels: (name) => { state.set = name; } };
}

test('the first form is used unless another is asked for by name', () => {
  for (const [wanted, expected] of [['auto', 'relaxed-i32'], ['relaxed', 'relaxed-i32'], ['relaxed-i16', 'relaxed-i16']]) {
    const wasm = moduleOf('relaxed-i32', 'relaxed-i16');
    pickKernels(wasm, wanted);
    assert.equal(wasm.state.set, expected);
  }
  const single = moduleOf('baseline');
  pickKernels(single, 'baseline');
  assert.equal(single.state.set, 'baseline');
});

test('a form that is not there is an error', () => {
  assert.throws(() => pickKernels(moduleOf('relaxed-i16', 'relaxed-i32'), 'relaxed-i32-signed'), { code: 'unsupported-environment', message: /relaxed-i32-signed.*relaxed-i16 and relaxed-i32/ });
  assert.throws(() => pickKernels(moduleOf(), 'auto'), { code: 'unsupported-environment' });
});
