import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseBuild, fewerThreads, withoutThreads } from '../build/builds.js';
import { detectFeatures } from '../build/features.js';

const modern = { simd: true, relaxedSimd: true, noThreads: undefined, cores: 4 };
const plain = { ...modern, noThreads: 'the page is not cross-origin isolated' };
const old = { ...modern, relaxedSimd: false };

for (const [name, backend, settings, features, build, threads, reason] of [
  ['all there is', 'cpu', {}, modern, 'threads', 4, /runs 4 at a time/],
  ['no more than eight by default', 'cpu', {}, { ...modern, cores: 64 }, 'threads', 8, /8 threads/],
  ['more than eight by name', 'cpu', { threads: 12 }, modern, 'threads', 12, /asked for/],
  ['a single core', 'cpu', {}, { ...modern, cores: 1 }, 'relaxed', 1, /one at a time/],
  ['threads on a single core by name', 'cpu', { threads: 2 }, { ...modern, cores: 1 }, 'threads', 2, /asked for/],
  ['one thread', 'cpu', { threads: 1 }, modern, 'relaxed', 1, /asked for/],
  ['no isolation', 'cpu', {}, plain, 'relaxed', 1, /not cross-origin isolated/],
  ['no isolation, and threads asked for', 'cpu', { threads: 4 }, plain, 'relaxed', 1, /not cross-origin isolated/],
  ['no relaxed SIMD', 'cpu', {}, old, 'baseline', 1, /no relaxed SIMD/],
  ['baseline by name', 'cpu', { kernels: 'baseline' }, modern, 'baseline', 1, /'baseline'/],
  ['baseline by name, and threads', 'cpu', { kernels: 'baseline', threads: 2 }, modern, 'baseline', 1, /'baseline'/],
  ['relaxed by name', 'cpu', { kernels: 'relaxed' }, modern, 'threads', 4, /at a time/],
  ['relaxed by name, one thread', 'cpu', { kernels: 'relaxed', threads: 1 }, modern, 'relaxed', 1, /asked for/],
  ['WebGPU', 'webgpu', {}, modern, 'relaxed', 1, /WebGPU/],
  ['WebGPU without relaxed SIMD', 'webgpu', {}, old, 'baseline', 1, /WebGPU/],
]) {
  test(`build: ${name}`, () => {
    const choice = chooseBuild(backend, settings, features);
    assert.deepEqual([choice.build, choice.threads], [build, threads]);
    assert.match(choice.threadsReason, reason);
    assert.match(choice.threadsReason, /\.$/);
  });
}

test('what cannot run is an error', () => {
  assert.throws(() => chooseBuild('cpu', {}, { ...modern, simd: false }), { code: 'unsupported-environment', message: /WebAssembly SIMD/ });
  assert.throws(() => chooseBuild('cpu', { kernels: 'relaxed' }, old), { code: 'unsupported-environment', message: /relaxed SIMD/ });
});

test('threads that do not start leave one', () => {
  const choice = withoutThreads(chooseBuild('cpu', {}, modern), new Error('blocked.'));
  assert.deepEqual(choice, { build: 'relaxed', threads: 1, threadsReason: 'One thread, because 4 cannot be started: blocked.' });
});

test('some threads that do not start leave the others', () => {
  const choice = chooseBuild('cpu', {}, modern);
  assert.equal(fewerThreads(choice, 3, 'no room.'), '3 threads, because 4 cannot be started: no room.');
});

test('features are what the engine validates', () => {
  const features = detectFeatures();
  assert.equal(features.simd, true); // every Node that this package is built with
  assert.match(features.noThreads, /not cross-origin isolated/);
  assert.ok(features.cores >= 1);
});

test('each feature is asked of a module that is valid but for it', (t) => {
  const asked = [];
  t.mock.method(WebAssembly, 'validate', (bytes) => { asked.push(bytes); return true; });
  globalThis.crossOriginIsolated = true;
  try {
    assert.equal(detectFeatures().noThreads, undefined);
  } finally {
    delete globalThis.crossOriginIsolated;
  }
  t.mock.restoreAll();
  assert.equal(asked.length, 3);
  // Node has had SIMD and threads for long; relaxed SIMD depends on its version
  for (const bytes of [asked[0], asked[2]]) assert.doesNotThrow(() => new WebAssembly.Module(bytes));
});
