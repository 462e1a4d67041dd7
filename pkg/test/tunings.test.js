import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseAfterLoss, chooseBackend } from '../build/backend.js';
import { Tunings, calibrated, faster } from '../build/tunings.js';

const KEY = 'acme rocket 0.1.0 relaxed-i16 Q4_0 512x256';
const tuning = { split: true, prefill: 'int8', webgpu: 52e9, cpu: 9.8e9 };

/** The Cache API, in memory. */
function disk() {
  const files = new Map();
  const cache = {
    match: async (key) => (files.has(key) ? new Response(files.get(key)) : undefined),
    put: async (key, response) => { files.set(key, await response.text()); },
  };
  return { files, caches: () => ({ open: async () => cache }) };
}

test('what was measured is found by another worker, for some days', async () => {
  const { caches } = disk();
  let now = 1e12;
  const other = () => new Tunings(caches, () => now);
  await other().put(KEY, tuning, true);
  assert.deepEqual(await other().get(KEY, true), tuning);
  assert.equal(await other().get(`${KEY}x`, true), undefined);
  now += 29 * 86_400_000;
  assert.deepEqual(await other().get(KEY, true), tuning);
  now += 2 * 86_400_000;
  assert.equal(await other().get(KEY, true), undefined);
  now = 1e11; // a clock that was set back
  assert.equal(await other().get(KEY, true), undefined);
});

test('where nothing may be kept nothing is, but this worker knows', async () => {
  const { caches, files } = disk();
  const here = new Tunings(caches);
  await here.put(KEY, tuning, false);
  assert.equal(files.size, 0);
  assert.deepEqual(await here.get(KEY, false), tuning);
  await new Tunings(caches).put(KEY, tuning, true);
  assert.equal(await new Tunings(caches).get(KEY, false), undefined);
});

test('whatever is wrong with what is kept, one measures again', async () => {
  const { caches, files } = disk();
  await new Tunings(caches).put(KEY, tuning, true);
  const [[address, right]] = files;
  const kept = JSON.parse(right);
  const wrong = [
    '', 'null', '[]', '7', '{', '{}', right.slice(0, -5), 'x'.repeat(1 << 20),
    ...[{ split: 1 }, { prefill: 'f8' }, { prefill: undefined }, { webgpu: 0 }, { webgpu: -1 }, { webgpu: '9' }, { webgpu: null }, { cpu: undefined }, { cpu: {} }, { at: 'now' }, { at: 1e300 }]
      .map((change) => JSON.stringify({ ...kept, ...change })),
    right.replace('52000000000', '1e999'),
  ];
  for (const text of wrong) {
    files.set(address, text);
    assert.equal(await new Tunings(caches).get(KEY, true), undefined, text.slice(0, 80));
  }
  const broken = [
    () => undefined,
    () => { throw new DOMException('no', 'SecurityError'); },
    () => ({ open: async () => { throw new DOMException('no', 'SecurityError'); } }),
    () => ({ open: async () => ({ match: async () => { throw new Error('io'); }, put: async () => { throw new DOMException('full', 'QuotaExceededError'); } }) }),
  ];
  for (const caches of broken) {
    const tunings = new Tunings(caches);
    assert.equal(await tunings.get(KEY, true), undefined);
    await tunings.put(KEY, tuning, true);
  }
});

test('the faster one is used, and both numbers are said', () => {
  const choice = { backend: 'webgpu', reason: 'WebGPU is used because there is a hardware adapter (acme rocket).', mayFallBack: true };
  const won = faster(choice, 'acme rocket', tuning, 1);
  assert.deepEqual(won, { ...choice, reason: `${choice.reason} It multiplies 52 GB of weights a second there, the CPU 9.8.` });
  const lost = faster(choice, 'acme rocket', { ...tuning, webgpu: 1.234e9 }, 1);
  assert.deepEqual(lost, { backend: 'cpu', reason: 'The CPU is used because WebGPU (acme rocket) multiplies 1.2 GB of weights a second there, the CPU 9.8.', mayFallBack: false });
  // 9.8 with one thread is 24 with three
  const middling = { ...tuning, webgpu: 20e9 };
  assert.equal(faster(choice, 'acme rocket', middling, 2).backend, 'webgpu');
  assert.match(faster(choice, 'acme rocket', middling, 3).reason, /multiplies 20 GB of weights a second there, the CPU 24\.$/);
  // and no more than memory gives with any number
  assert.match(faster(choice, 'acme rocket', { ...tuning, webgpu: 30e9 }, 64).reason, /multiplies 30 GB of weights a second there, the CPU 30\.$/);
  assert.equal(faster(choice, 'acme rocket', { ...tuning, webgpu: 29e9 }, 64).backend, 'cpu');
});

/** A loader that measures `found`; what it was told. */
function fakeLoader(found) {
  const told = [];
  return { told, tuningKey: () => 'key', tune: async (split, prefill) => { told.push([split, prefill]); return split === undefined ? found : undefined; } };
}

const gpu = (adapter) => ({ requestAdapter: async () => adapter });
const acme = gpu({ info: { vendor: 'acme', architecture: 'rocket', isFallbackAdapter: false } });
const slow = { ...tuning, webgpu: 1e9 };

test('a device is measured once, and then tuned as it was', async () => {
  const { caches } = disk();
  const choice = await chooseBackend('auto', acme);
  for (const [tunings, told] of [[new Tunings(caches), [undefined, undefined]], [new Tunings(caches), [true, 'int8']]]) {
    const loader = fakeLoader(tuning);
    const found = await calibrated(choice, loader, { tunings, isKept: true, threads: 1 }, true);
    assert.equal(found.backend, 'webgpu');
    assert.match(found.reason, /52 GB/);
    assert.deepEqual(loader.told, [told]);
  }
});

test('auto leaves a device that is slower, if the model runs on the CPU', async () => {
  const with_ = (found, hasOther = true) => async (choice) =>
    calibrated(await choice, fakeLoader(found), { tunings: new Tunings(() => undefined), isKept: true, threads: 1 }, hasOther);
  assert.equal((await with_(slow)(chooseBackend('auto', acme))).backend, 'cpu');
  assert.equal((await with_(slow, false)(chooseBackend('auto', acme))).backend, 'webgpu');
  assert.equal((await with_(slow)(chooseAfterLoss('auto', acme, 1))).backend, 'cpu');
  // where it cannot be measured, it is taken as it is
  const choice = await chooseBackend('auto', acme);
  assert.deepEqual(await with_(undefined)(choice), choice);
});

test('by name it is tuned and never left', async () => {
  for (const chosen of [chooseBackend('webgpu', acme), chooseAfterLoss('webgpu', acme, 1)]) {
    const loader = fakeLoader(slow);
    const choice = await chosen;
    assert.equal(await calibrated(choice, loader, { tunings: new Tunings(() => undefined), isKept: true, threads: 8 }, true), choice);
    assert.deepEqual(loader.told, [[undefined, undefined]]);
  }
});

test('an emulation and the CPU are not measured', async () => {
  for (const chosen of [chooseBackend('webgpu', gpu({ info: { isFallbackAdapter: true } })), chooseBackend('cpu', undefined)]) {
    const loader = fakeLoader(slow);
    const choice = await chosen;
    assert.equal(await calibrated(choice, loader, { tunings: new Tunings(() => undefined), isKept: true, threads: 8 }, true), choice);
    assert.deepEqual(loader.told, []);
  }
});
