// `auto` on a GPU that is no emulation by its own account, but as slow as one: it is measured, and the CPU is taken, with the numbers. One
// that is faster, by what is remembered of it, is taken without another measurement.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { tinyModel } from './paths.mjs';

const { url } = tinyModel('llama-bpe-q4_0-ropefreqs-tied');
const PROMPT = Array.from({ length: 20 }, (_, i) => 40 + i);
const BOTH = /multiplies (\d+(?:\.\d+)?) GB of weights a second there, the CPU (\d+(?:\.\d+)?)\.$/;

for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  describe(`calibration, ${engine}`, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    const call = (/** @type {string} */ name, /** @type {any} */ value = null) =>
      session.evaluate(async (args) => (await import(`${location.origin}/browser/devices-page.js`))[args.name](args.value), { name, value });
    const plan = { asHardware: true };
    /** Loads it, says what became of it and how much was submitted, and closes it. */
    const loaded = async (/** @type {any} */ options, /** @type {any} */ faults = plan) => {
      const info = await call('start', { url, options, plan: faults });
      assert.equal(info.error, undefined, info.error?.message);
      const { submits } = await call('seen');
      const numbers = await call('ask', PROMPT);
      await call('stop');
      return { info, submits: submits.length, numbers };
    };
    before(async () => { session = await open({ engine, webgpu: true }); });
    after(() => session?.close());

    test('auto takes the CPU where it is faster, and says both numbers', async () => {
      const { info, submits } = await loaded({ backend: 'auto' });
      assert.equal(info.backend, 'cpu', JSON.stringify(info));
      assert.match(info.backendReason, /^The CPU is used because WebGPU \(acme rocket\) multiplies /);
      const [, webgpu, cpu] = BOTH.exec(info.backendReason) ?? [];
      assert.ok(Number(webgpu) < Number(cpu), info.backendReason);
      const { ms, compiling } = await call('keptTuning');
      console.log(`${engine}: ${info.backendReason} ${submits} submits, ${Math.round(ms)} ms and ${Math.round(compiling)} to compile`);
      // 90 for the GPU and 40 for the CPU, a pass of each that was begun, and packing; an emulation on a busy machine is slow
      assert.ok(ms > 0 && ms < 1000 && compiling > 0, `${ms} ms, ${compiling} to compile`);
      const again = await loaded({ backend: 'auto' });
      assert.equal(again.info.backendReason, info.backendReason);
      assert.ok(again.submits < submits - 3, `${again.submits} submits, ${submits} with a measurement`);
    });

    test('by name the GPU is tuned as it was measured, and used', async () => {
      const known = await loaded({ backend: 'webgpu' });
      assert.deepEqual([known.info.backend, known.info.backendReason], ['webgpu', 'WebGPU was asked for; the adapter is acme rocket.']);
      await call('forgetTunings');
      const measured = await loaded({ backend: 'webgpu' });
      assert.equal(measured.info.backend, 'webgpu');
      assert.ok(known.submits < measured.submits - 3, `${known.submits} submits, ${measured.submits} with a measurement`);
      // where nothing may be kept it is measured each time
      const [first, second] = [await loaded({ backend: 'webgpu', cache: 'none' }), await loaded({ backend: 'webgpu', cache: 'none' })];
      assert.ok(first.submits > known.submits + 3 && second.submits > known.submits + 3, `${first.submits} and ${second.submits} submits`);
      // however products are divided, they are the same but for the order of sums
      for (const { numbers } of [measured, first, second]) {
        const worst = Math.max(...numbers.logits.map((/** @type {number} */ logit, /** @type {number} */ i) => Math.abs(logit - known.numbers.logits[i])));
        assert.ok(worst < 1e-3, `logits differ by ${worst}`);
      }
    });

    test('auto takes a GPU that is faster', async () => {
      await call('changeTunings', { webgpu: 52e9, cpu: 1e9 });
      const { info } = await loaded({ backend: 'auto' });
      assert.equal(info.backend, 'webgpu', JSON.stringify(info));
      assert.match(info.backendReason, /^WebGPU is used because there is a hardware adapter \(acme rocket\)\. It multiplies 52 GB of weights a second there, the CPU \d/);
    });

    test('what is kept may be broken', async () => {
      for (const text of ['', '{', 'null', '{"split":true,"webgpu":1e999,"cpu":1,"at":0}']) {
        await call('changeTunings', text);
        const { info } = await loaded({ backend: 'auto' });
        assert.match(info.backendReason, BOTH, text);
        assert.equal(info.backend, 'cpu', text);
      }
    });

    test('an emulation that says so is not measured', async () => {
      const { submits } = await loaded({ backend: 'webgpu' }, {});
      await call('forgetTunings');
      assert.equal((await loaded({ backend: 'webgpu' }, {})).submits, submits);
      const auto = await loaded({ backend: 'auto' }, {});
      assert.deepEqual([auto.info.backend, auto.submits], ['cpu', 0]);
    });
  });
}
