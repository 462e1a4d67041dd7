// What the GPU is asked to do, by the package's own counters and counted from outside, where the worker calls WebGPU.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { realModel, realModels, tinyModel } from './paths.mjs';

/** What both sides count. */
const names = ['passes', 'dispatches', 'submits', 'bytesWritten', 'bytesRead'];
const PROMPT = [40, 41, 42, 43, 44];
const TOKENS = 8;
const PANEL_ROWS = 64;

/** @type {{ engine: import('./browsers.mjs').EngineName, model: string, dispatches: number }[]} */
const cases = [
  // seven a layer; embedding, first norm, output, argmax
  { engine: 'chromium', model: 'llama-bpe-q4_0-ropefreqs-tied', dispatches: 2 * 7 + 4 },
  // values of Q6_K beside queries and keys of Q4_K
  { engine: 'firefox', model: 'llama-bpe-q4_k_m-untied', dispatches: 2 * 7 + 4 },
  // values of a type that is not read together with that of queries and keys
  { engine: 'firefox', model: 'gemma3-q4_0-window8', dispatches: 7 * 8 + 4 },
];

for (const { engine, model: name, dispatches } of cases) {
  test(`${engine}, ${name}`, { skip: missing(engine), timeout: 300_000 }, async (t) => {
    const session = await open({ engine, webgpu: true });
    t.after(() => session.close());
    const { url } = tinyModel(name);
    const found = await session.evaluate(async (args) => (await import(`${location.origin}/browser/counters-page.js`)).count(args), {
      url, prompt: PROMPT, maxTokens: TOKENS,
    });
    assert.equal(found.info.backend, 'webgpu');
    assert.equal(found.tokens.length, TOKENS);
    for (const at of ['loaded', 'prefilled', 'decoded']) {
      const { inside, outside } = found[at];
      for (const counter of names) assert.equal(inside.total[counter], outside[counter], `${at}: ${counter}`);
      assert.equal(inside.pipelines, outside.pipelines, `${at}: pipelines`);
      assert.equal(inside.bufferBytes, outside.bufferBytes, `${at}: buffers`);
    }
    const { prefilled, decoded } = found;
    assert.ok(decoded.outside.dispatches > prefilled.outside.dispatches && decoded.outside.matrixBytes > 0, 'nothing was counted');
    // the embedding's rows are all that the outside does not count
    const passes = decoded.inside.total.passes;
    const rows = decoded.inside.total.weightBytes - decoded.outside.matrixBytes;
    assert.ok(rows > 0 && rows < passes * found.info.bytes / PANEL_ROWS, `${rows} bytes of embedding rows in ${passes} passes`);

    const token = decoded.inside.step;
    console.log(`${engine}, ${name}: a token is`, JSON.stringify(token), 'a prompt', JSON.stringify(prefilled.inside.step));
    // one, or on a busy machine, where an emulation is slow, a few short ones
    assert.ok(token.submits >= 1 && token.submits <= 3, `${token.submits} submits`);
    assert.deepEqual([token.passes, token.dispatches], [token.submits, dispatches]);
    assert.ok(token.bytesRead <= 64 && token.bytesWritten <= 64, `${token.bytesRead} bytes read, ${token.bytesWritten} written`);
  });
}

// the numbers of `tests/gpu_counters.rs`: dispatches, and the weights' bytes in their canonical form
for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  for (const [index, { dispatches, megabytes }] of [{ dispatches: 30 * 7 + 4, megabytes: 96.4 }, { dispatches: 18 * 7 + 6, megabytes: 246.7 }].entries()) {
    const { name, url } = realModels[index];
    test(`${engine}, ${name}: what a token asks for`, { skip: missing(engine), timeout: 300_000 }, async (t) => {
      const session = await open({ engine, webgpu: true });
      t.after(() => session.close());
      const tokens = 4;
      const { each, weightBytes, step, bytes } = await session.evaluate(async (args) => (await import(`${location.origin}/browser/counters-page.js`)).countTokens(args), {
        url, prompt: PROMPT, tokens,
      });
      console.log(`${engine}, ${name}: a token is`, JSON.stringify(each), `and ${weightBytes} bytes of weights`);
      assert.deepEqual([each.passes, each.submits, each.dispatches], [1, 1, dispatches]);
      // a position each, before the first its token as well; and what each finds
      assert.deepEqual([each.bytesWritten, each.bytesRead], [(4 * tokens + 4) / tokens, 8]);
      assert.deepEqual([step.dispatches, step.bytesWritten], [dispatches, 4]);
      // bound are whole matrices; of the embedding's a row is read, which the package counts and the outside does not
      const row = weightBytes - each.matrixBytes;
      assert.ok(row > 0 && row < bytes / 1e5, `${row} bytes of a row`);
      assert.ok(Math.abs(weightBytes / 1e6 - megabytes) < 0.05, `${weightBytes} bytes of weights`);
    });
  }
}

// what a first answer is made of is compiled when it is asked for, and all of that while weights arrive
for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  test(`${engine}: pipelines are made before the weights are there`, { skip: missing(engine), timeout: 300_000 }, async (t) => {
    const session = await open({ engine, webgpu: true });
    t.after(() => session.close());
    const { url } = realModel; // large enough to come in pieces
    // the server does not answer when the last fifth is asked for, and is asked again after a while
    session.server.faults.push({ path: url, range: /^bytes=[89]\d{7}-/, stallAfter: 0, times: 1 });
    const { before, loaded, generated, events } = await session.evaluate(async (args) => (await import(`${location.origin}/browser/counters-page.js`)).whenCompiled(args), {
      url, prompt: Array.from({ length: 12 }, (_, i) => 40 + i), stallMs: 5000,
    });
    console.log(`${engine}: ${before} pipelines before the last bytes, ${loaded.pipelines} once it is loaded, ${generated.usedPipelines} in use`);
    assert.ok(loaded.usedPipelines < before, 'the self-test needs some of them');
    assert.deepEqual([before, generated.pipelines, generated.usedPipelines], [loaded.pipelines, loaded.pipelines, loaded.pipelines]);
    // and progress says so: of those that the self-test did not need, and one step more
    const early = events.filter((/** @type {any} */ { arrived }) => arrived < 1);
    const { total } = events.at(-1);
    assert.ok(early.length > 0 && early.at(-1).loaded === total - 1 && total <= loaded.pipelines - loaded.usedPipelines + 1, JSON.stringify(events));
    assert.ok(events.every((/** @type {any} */ event) => event.total === total) && events.at(-1).loaded === total, JSON.stringify(events));
  });
}
