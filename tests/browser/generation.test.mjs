// What a generation promises, on every engine: isolated and not, with WebGPU and without. The cases are in
// generation-page.js.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { tinyModel } from './paths.mjs';

const tiny = tinyModel('llama-bpe-q4_0-ropefreqs-tied');

/** @type {{ engine: import('./browsers.mjs').EngineName, backend: 'cpu' | 'webgpu', isolated: boolean }[]} */
const settings = [
  { engine: 'chromium', backend: 'cpu', isolated: true },
  { engine: 'chromium', backend: 'webgpu', isolated: false },
  { engine: 'firefox', backend: 'cpu', isolated: false },
  { engine: 'firefox', backend: 'webgpu', isolated: true },
  { engine: 'webkit', backend: 'cpu', isolated: false },
];

for (const { engine, backend, isolated } of settings) {
  test(`${engine}, ${backend}, ${isolated ? 'isolated' : 'not isolated'}`, { skip: missing(engine), timeout: 300_000 }, async (t) => {
    const session = await open({ engine, isolated, webgpu: backend === 'webgpu' });
    t.after(() => session.close());
    const call = (/** @type {string} */ name, /** @type {any} */ value) =>
      session.evaluate(async (args) => (await import(`${location.origin}/browser/generation-page.js`))[args.name](args.value), { name, value });

    const { info, names, isolated: isIsolated } = await call('start', { url: tiny.url, backend });
    assert.ok(names.length >= 15, `only ${names.length} cases`);
    if (engine !== 'webkit') assert.equal(isIsolated, isolated);
    await t.test('info', () => {
      assert.equal(info.backend, backend);
      assert.equal(info.architecture, 'llama');
      assert.equal(info.quantisation, 'Q4_0');
      assert.ok(backend === 'cpu' && isolated ? info.threads >= 1 : info.threads === 1, info.threadsReason);
      assert.notEqual(info.threadsReason, '');
    });
    for (const name of names) await t.test(name, () => call('run', name));
  });
}
