import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseBackend } from '../build/backend.js';
import { Progress } from '../build/progress.js';
import { Queue, nextTask } from '../build/queue.js';

const gpu = (adapter) => ({ requestAdapter: async () => adapter });
const hardware = gpu({ info: { vendor: 'acme', architecture: 'rocket', isFallbackAdapter: false } });

test('auto takes a hardware adapter and may fall back', async () => {
  const choice = await chooseBackend('auto', hardware);
  assert.deepEqual([choice.backend, choice.mayFallBack], ['webgpu', true]);
  assert.match(choice.reason, /acme rocket/);
});

for (const [name, source] of [
  ['no navigator.gpu', undefined],
  ['no adapter', gpu(null)],
  ['an adapter request that fails', { requestAdapter: async () => { throw new Error('blocked'); } }],
  ['a fallback adapter', gpu({ info: { isFallbackAdapter: true } })],
  ['a fallback adapter, the old way', gpu({ isFallbackAdapter: true })],
  ['SwiftShader by name', gpu({ info: { vendor: 'google', architecture: 'swiftshader' } })],
  ['llvmpipe by name', gpu({ info: { description: 'llvmpipe (LLVM 19)' } })],
]) {
  test(`auto takes the CPU: ${name}`, async () => {
    const choice = await chooseBackend('auto', source);
    assert.equal(choice.backend, 'cpu');
    assert.match(choice.reason, /^The CPU is used because .+\.$/);
  });
}

test('webgpu takes any adapter, and fails without one', async () => {
  const choice = await chooseBackend('webgpu', gpu({ info: { isFallbackAdapter: true } }));
  assert.deepEqual([choice.backend, choice.mayFallBack], ['webgpu', false]);
  await assert.rejects(chooseBackend('webgpu', undefined), { code: 'gpu-unavailable' });
  await assert.rejects(chooseBackend('webgpu', gpu(null)), { code: 'gpu-unavailable' });
});

test('cpu asks for no adapter', async () => {
  const choice = await chooseBackend('cpu', { requestAdapter: () => assert.fail('asked') });
  assert.equal(choice.backend, 'cpu');
});

test('progress: 20 events a second for each type, and the last one once', () => {
  const events = [];
  let now = 0;
  const progress = new Progress(({ type, loaded }) => events.push(type + loaded), () => now);
  for (let loaded = 0; loaded <= 100; loaded += 1, now += 10) {
    progress.report('download', loaded, 100);
    if (loaded === 1) progress.report('upload', 1, 100);
  }
  progress.report('download', 100, 100);
  assert.deepEqual(events.slice(0, 4), ['download0', 'upload1', 'download5', 'download10']);
  assert.equal(events.filter((event) => event === 'download100').length, 1);
  assert.equal(events.length, 1 + 21);
});

test('a queue keeps the order and survives a failure', async () => {
  const queue = new Queue();
  const order = [];
  const slow = queue.run(async () => { await nextTask(); order.push(1); });
  const failing = assert.rejects(queue.run(() => { order.push(2); throw new Error('x'); }), /x/);
  const value = await queue.run(() => { order.push(3); return 'value'; });
  await Promise.all([slow, failing]);
  assert.deepEqual([order, value], [[1, 2, 3], 'value']);
});

test('nextTask lets messages in', async () => {
  const { port1, port2 } = new MessageChannel();
  let seen = false;
  port1.onmessage = () => { seen = true; };
  port2.postMessage(null);
  for (let i = 0; i < 3 && !seen; i += 1) await nextTask();
  port1.close();
  assert.ok(seen);
});
