import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pickKernels } from '../dist/kernels.js';
import { Tuning, candidates, tune } from '../dist/tuning.js';

test('fewer threads are tried, down to one', () => {
  assert.deepEqual([1, 2, 3, 4, 8].map(candidates), [[1], [2, 1], [3, 2, 1], [4, 3, 2, 1], [8, 6, 4, 2]]);
});

/** The number of threads that is found when a token takes `msOf(threads)`. */
function found(threads, msOf) {
  const tuning = new Tuning(threads);
  let tokens = 0;
  for (; !tuning.isDone; tokens += 1) tuning.add(msOf(tuning.threads, tokens));
  assert.ok(tokens <= 16, `${tokens} tokens`);
  return tuning.threads;
}

test('all threads when each helps, fewer when they hinder', () => {
  assert.equal(found(4, (n) => 12 / n), 4);
  assert.equal(found(4, (n) => 12 + n), 1);
  assert.equal(found(8, (n) => 12 / n + n), 4);
  assert.equal(found(2, (n) => 10 + n * 0.1), 2, 'a hundredth is no reason to change');
});

test('a single slow token decides nothing', () => {
  assert.equal(found(2, (n, token) => (token % 4 === 1 ? 100 : 12 / n)), 2);
});

test('tokens are timed, prompts are not', async () => {
  let now = 0;
  let threads = 0;
  const steps = [];
  const costs = { prefill: 500, token: 0, finish: 0 };
  const kinds = ['prefill', ...Array(5).fill('token'), 'finish', 'prefill', ...Array(6).fill('token'), 'finish'];
  const engine = { step: async () => { const type = kinds.shift(); steps.push(threads); now += type === 'token' ? 10 * threads : costs[type]; return { type }; } };
  const plain = engine.step;
  tune(engine, 2, (count) => { threads = count; }, () => now);
  while (kinds.length > 0) await engine.step();
  // of each turn's tokens all but the first count: four with two threads, then four with one
  assert.deepEqual(steps.slice(0, 7), [2, 2, 2, 2, 2, 2, 1]);
  assert.equal(threads, 1);
  assert.notEqual(engine.step, plain, 'bound');
});

/** A module whose forms take these milliseconds a call. */
function moduleOf(costs) {
  const state = { now: 0, set: undefined, calls: 0 };
  return {
    state,
    kernelForms: () => Object.keys(costs),
    setKernels: (name) => { state.set = name; },
    exerciseKernels: () => { state.now += costs[state.set]; state.calls += 1; },
  };
}

test('the fastest form is used', () => {
  for (const [costs, fastest] of [
    [{ 'relaxed-i16': 0.05, 'relaxed-i32': 0.08 }, 'relaxed-i16'],
    [{ 'relaxed-i16': 0.05, 'relaxed-i32': 0.03 }, 'relaxed-i32'],
    [{ 'relaxed-i16': 5, 'relaxed-i32': 3, 'relaxed-i32-signed': 2 }, 'relaxed-i32-signed'],
  ]) {
    const wasm = moduleOf(costs);
    pickKernels(wasm, 'auto', () => wasm.state.now);
    assert.equal(wasm.state.set, fastest);
  }
});

test('a clock that stands still, and a single form, end as well', () => {
  const wasm = moduleOf({ 'relaxed-i16': 0, 'relaxed-i32': 0 });
  pickKernels(wasm, 'relaxed', () => 0);
  assert.ok(wasm.state.calls > 0 && wasm.state.set.startsWith('relaxed'));
  const single = moduleOf({ baseline: 1 });
  pickKernels(single, 'auto');
  assert.deepEqual([single.state.set, single.state.calls], ['baseline', 0]);
});

test('a form by name, or an error', () => {
  const wasm = moduleOf({ 'relaxed-i16': 1, 'relaxed-i32': 2 });
  pickKernels(wasm, 'relaxed-i32');
  assert.deepEqual([wasm.state.set, wasm.state.calls], ['relaxed-i32', 0]);
  assert.throws(() => pickKernels(wasm, 'relaxed-i32-signed'), { code: 'unsupported-environment', message: /relaxed-i32-signed.*relaxed-i16 and relaxed-i32/ });
  assert.throws(() => pickKernels(moduleOf({}), 'auto'), { code: 'unsupported-environment' });
});
