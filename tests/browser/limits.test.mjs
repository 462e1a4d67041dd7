// An adapter with WebGPU's default limits and no more: 128 MiB a binding, 256 MiB a buffer. Models compute what they do elsewhere, bit for
// bit, also one whose largest tensor no binding takes. And one with less than that.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { realModels, tinyModel } from './paths.mjs';

const DEFAULTS = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
const PROMPT = Array.from({ length: 11 }, (_, i) => 40 + i); // more than one invocation takes at once
const large = realModels.find(({ name }) => name === 'Gemma 3 270M');
const models = [tinyModel('llama-bpe-q4_0-ropefreqs-tied'), ...(large ? [large] : [])];
assert.equal(models.length, 2);

for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  describe(`limits, ${engine}`, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    before(async () => { session = await open({ engine, webgpu: true }); });
    after(() => session?.close());
    const call = (/** @type {string} */ name, /** @type {any} */ value) =>
      session.evaluate(async (args) => (await import(`${location.origin}/browser/devices-page.js`))[args.name](args.value), { name, value });

    for (const { name, url } of models) {
      test(name, async () => {
        const wanted = { url, backend: 'webgpu', logits: [PROMPT], greedy: [{ tokens: PROMPT.slice(0, 3), maxTokens: 4 }] };
        const plain = await call('numbersWith', { plan: {}, wanted });
        const least = await call('numbersWith', { plan: { defaultLimits: true }, wanted });
        assert.equal(least.info.backend, 'webgpu');
        assert.equal(plain.seen.limitsAsked.length, 1);
        assert.equal(least.seen.limitsAsked.length, 1);
        for (const [limit, value] of Object.entries(DEFAULTS)) assert.equal(least.seen.limitsAsked[0][limit], value, limit);
        // else nothing was forced; Firefox's emulation has no larger bindings, but larger buffers
        assert.ok(plain.seen.limitsAsked[0].maxBufferSize > DEFAULTS.maxBufferSize, JSON.stringify(plain.seen.limitsAsked));
        assert.ok(plain.logits[0].length > 0 && plain.logits[0].every(Number.isFinite), 'not all logits are numbers');
        assert.deepEqual([least.logits, least.greedy], [plain.logits, plain.greedy]);
      });
    }

    test('an adapter with less is refused by name, and left by auto', async () => {
      const plan = { defaultLimits: true, lowLimits: { maxComputeInvocationsPerWorkgroup: 128 } };
      const { url } = models[0];
      const { error } = await call('start', { url, options: { backend: 'webgpu', cache: 'none' }, plan });
      assert.equal(error?.code, 'gpu-unavailable');
      assert.match(error.message, /maxComputeInvocationsPerWorkgroup|max_compute_invocations_per_workgroup/);
      const info = await call('start', { url, options: { backend: 'auto', cache: 'none' }, plan: { ...plan, asHardware: true } });
      assert.equal(info.backend, 'cpu', JSON.stringify(info));
      assert.match(info.backendReason, /^The CPU is used because WebGPU did not take the model \(gpu-unavailable: /);
      await call('stop', null);
    });
  });
}
