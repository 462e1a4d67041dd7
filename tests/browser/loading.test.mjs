// Getting a model: sources, the private file system, verification, faults of the network, backends, progress.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { tinyModel } from './paths.mjs';

const { url, file } = tinyModel('llama-bpe-q4_0-ropefreqs-tied');
const body = readFileSync(file);
const sha256 = createHash('sha256').update(body).digest('hex');
const vocabulary = 384;
const cpu = { backend: 'cpu' };

/** @typedef {{ engine: import('./browsers.mjs').EngineName, isolated: boolean, webgpu: boolean }} Setting */
/** @type {Setting[]} */
const settings = [
  { engine: 'chromium', isolated: true, webgpu: false },
  { engine: 'chromium', isolated: false, webgpu: true },
  { engine: 'firefox', isolated: true, webgpu: true },
  { engine: 'firefox', isolated: false, webgpu: false },
  { engine: 'webkit', isolated: true, webgpu: false },
];

for (const { engine, isolated, webgpu } of settings) {
  const hasFiles = engine !== 'webkit';
  const name = `${engine}, ${isolated ? 'isolated' : 'not isolated'}, ${webgpu ? 'WebGPU' : 'no WebGPU'}`;
  describe(name, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    before(async () => { session = await open({ engine, isolated, webgpu }); });
    after(() => session?.close());
    beforeEach(async () => {
      await session.evaluate(async () => (await import(`${location.origin}/browser/loading-page.js`)).forget(), {});
      session.server.faults.length = 0;
    });

    /** A load, and how many requests it made for models. @param {any} wanted */
    async function attempt(wanted) {
      const asked = () => session.server.requests.filter(({ path }) => path.endsWith('.gguf')).length;
      const start = asked();
      const outcome = await session.evaluate(async (args) => (await import(`${location.origin}/browser/loading-page.js`)).attempt(args), { options: cpu, ...wanted });
      return { ...outcome, requests: asked() - start };
    }

    /** @param {any} wanted */
    async function succeeds(wanted) {
      const outcome = await attempt(wanted);
      assert.equal(outcome.error, undefined, JSON.stringify(outcome.error));
      assert.equal(outcome.logits, vocabulary);
      return outcome;
    }

    /** @param {string} code @param {any} wanted */
    async function fails(code, wanted) {
      const outcome = await attempt(wanted);
      assert.equal(outcome.error?.code, code, JSON.stringify(outcome.error ?? outcome.info));
      return outcome;
    }

    test('the page is what the test believes', async () => {
      const page = await session.evaluate(async () => ({ isolated: crossOriginIsolated, files: 'storage' in navigator && 'getDirectory' in navigator.storage }), {});
      if (engine !== 'webkit') assert.deepEqual(page, { isolated, files: true });
    });

    test('progress grows, is complete, and ends with ready', async () => {
      const { events, requests, info } = await succeeds({ source: { url, sha256 }, options: cpu });
      assert.equal(requests, 1);
      for (const type of ['download', 'verify', 'upload', 'compile']) {
        const some = events.filter((/** @type {any} */ event) => event.type === type);
        assert.ok(some.length > 0, `no event of type ${type}`);
        some.forEach((/** @type {any} */ event, /** @type {number} */ index) => {
          assert.ok(event.loaded <= event.total && (index === 0 || event.loaded >= some[index - 1].loaded), `${type} goes back: ${JSON.stringify(some)}`);
        });
        const total = type === 'compile' ? some.at(-1).total : body.length;
        assert.deepEqual(some.at(-1), { type, loaded: total, total });
      }
      const ready = events.filter((/** @type {any} */ event) => event.type === 'ready');
      assert.equal(ready.length, 1);
      assert.equal(events.at(-1), ready[0]);
      assert.deepEqual(ready[0].info, info);
      assert.ok(ready[0].loadMs > 0);
      const { compileMs, readMs, uploadMs } = ready[0].timings;
      assert.ok(compileMs > 0 && [readMs, uploadMs].every((part) => part >= 0) && compileMs + readMs + uploadMs <= ready[0].loadMs, JSON.stringify(ready[0]));
    });

    test('the engine is fetched once for a page', async () => {
      const asked = () => session.server.requests.filter(({ path }) => path.endsWith('.wasm')).length;
      await session.goto(`${session.origin}/blank.html?engine`);
      const start = asked();
      await succeeds({ source: url });
      assert.equal(asked() - start, 1);
      await succeeds({ source: url });
      assert.equal(asked() - start, 1);
    });

    if (hasFiles) test('the second load makes no request', async () => {
      const first = await succeeds({ source: url });
      assert.deepEqual([first.requests, first.fromCache, first.stored], [1, false, [sha256]]);
      const second = await succeeds({ source: url });
      assert.deepEqual([second.requests, second.fromCache], [0, true]);
      await session.goto(`${session.origin}/blank.html?again`);
      const third = await succeeds({ source: url, options: { ...cpu, cache: 'opfs' } });
      assert.deepEqual([third.requests, third.fromCache], [0, true]);
      assert.ok(!third.events.some((/** @type {any} */ { type }) => type === 'download'));
    });

    if (!hasFiles) test('without a private file system nothing is kept, and asking for it is an error', async () => {
      assert.equal((await succeeds({ source: url })).fromCache, false);
      assert.equal((await succeeds({ source: url })).requests, 1);
      await fails('storage', { source: url, options: { ...cpu, cache: 'opfs' } });
    });

    test("cache: 'none' keeps nothing", async () => {
      for (const _ of [1, 2]) {
        const { requests, stored } = await succeeds({ source: url, options: { ...cpu, cache: 'none' } });
        assert.equal(requests, 1);
        assert.ok(stored === null || stored.length === 0);
      }
    });

    test('a hash that is right; another address with it is the same file', async () => {
      const first = await succeeds({ source: { url, sha256 } });
      if (!hasFiles) return;
      assert.deepEqual(first.stored, [sha256]);
      const second = await succeeds({ source: { url: '/nowhere.gguf', sha256: sha256.toUpperCase() } });
      assert.deepEqual([second.requests, second.fromCache], [0, true]);
    });

    test('a hash that is wrong: hash-mismatch, and nothing is left', async () => {
      const wrong = sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
      const { error, stored, requests } = await fails('hash-mismatch', { source: { url, sha256: wrong } });
      assert.ok(error.message.includes(sha256) && error.message.includes(wrong), error.message);
      assert.ok(stored === null || stored.length === 0, `left: ${stored}`);
      assert.equal(requests, 1);
      await succeeds({ source: { url, sha256 } });
    });

    for (const as of ['URL', 'Blob', 'File']) {
      test(`a ${as}`, async () => {
        const { fromCache, stored } = await succeeds({ source: url, as });
        assert.equal(fromCache, false);
        if (as !== 'URL' && stored !== null) assert.deepEqual(stored, []);
      });
    }

    test('404, 500: network, with the status', async () => {
      assert.match((await fails('network', { source: '/nowhere.gguf' })).error.message, /404/);
      session.server.faults.push({ path: url, status: 500 });
      assert.match((await fails('network', { source: url, options: { ...cpu, download: { retries: 1 } } })).error.message, /500.*tried 2 times/);
      session.server.faults.length = 0;
      await succeeds({ source: url });
    });

    test('a server that is gone: network', async () => {
      await fails('network', { source: 'http://localhost:9/a.gguf' });
    });

    test('an abort in mid-download: aborted, and the next load is whole', async () => {
      session.server.faults.push({ path: url, delayMs: 200, times: 1 });
      await fails('aborted', { source: url, abortAt: 'download' });
      session.server.faults.length = 0;
      await succeeds({ source: url });
    });

    test('auto is the CPU here, with the reason', async () => {
      const { info } = await succeeds({ source: url, options: {} });
      assert.equal(info.backend, 'cpu');
      const reason = webgpu ? /software emulation/ : /no WebGPU adapter|navigator\.gpu does not exist|requesting a WebGPU adapter failed/;
      assert.match(info.backendReason, reason);
    });

    test(webgpu ? 'webgpu takes the software adapter' : 'webgpu without an adapter: gpu-unavailable', async () => {
      const wanted = { source: url, options: { backend: 'webgpu' } };
      if (!webgpu) return void assert.match((await fails('gpu-unavailable', wanted)).error.message, /'cpu'/);
      const { info } = await succeeds(wanted);
      assert.equal(info.backend, 'webgpu');
      assert.notEqual(info.device, '');
    });

    test('what is not understood is an error, before any request', async () => {
      for (const [code, source, options] of /** @type {[string, any, any][]} */ ([
        ['unsupported-option', url, { colour: 'blue' }],
        ['unsupported-option', { url, md5: 'x' }, {}],
        ['invalid-argument', 'hf:owner/model.gguf', {}],
        ['invalid-argument', { url: [url, url] }, {}],
        ['invalid-argument', '/model-00002-of-00003.gguf', {}],
        ['invalid-argument', { url: '/model-00001-of-00002.gguf', sha256 }, {}],
        ['invalid-argument', url, { download: { connections: 0 } }],
        ['unsupported-option', url, { download: { speed: 1 } }],
        ['invalid-argument', url, { hub: { baseUrl: 'ftp://x' } }],
        ['invalid-argument', url, { kvCacheType: 'q4_0' }],
        ['invalid-argument', url, { backend: 'npu' }],
        ['invalid-argument', url, { contextLength: 0 }],
        ['invalid-argument', { url, sha256: 'abc' }, {}],
        ['invalid-argument', 'http://', {}],
        ['invalid-argument', 7, {}],
        ['invalid-argument', null, {}],
      ])) {
        assert.equal((await fails(code, { source, options })).requests, 0);
      }
    });
  });
}

test('info.bytes is the size of the file', { skip: missing('chromium') }, async (t) => {
  const session = await open({ engine: 'chromium' });
  t.after(() => session.close());
  const { info } = await session.evaluate(async (args) => (await import(`${location.origin}/browser/loading-page.js`)).attempt(args), { source: url, options: cpu });
  assert.equal(info.bytes, body.length);
});

test('ids only: a tokenizer that is not known leaves the rest of the model', { skip: missing('chromium') }, async (t) => {
  const session = await open({ engine: 'chromium' });
  t.after(() => session.close());
  const outcome = await session.evaluate(async ({ url }) => {
    const { load } = await import(`${location.origin}/pkg/dist/index.js`);
    const { failure } = await import(`${location.origin}/browser/in-page.js`);
    // the name of the tokenizer model, a string behind its key, becomes one that nobody knows
    const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
    const text8 = new TextDecoder('latin1').decode(bytes);
    const at = text8.indexOf('llama', text8.indexOf('tokenizer.ggml.model'));
    bytes.set(new TextEncoder().encode('lloma'), at);
    const model = await load(new Blob([bytes]), { backend: 'cpu', cache: 'none' });
    const { text, tokens } = await model.generate([1, 2, 3], { maxTokens: 4, temperature: 0, ignoreEos: true }).result();
    const errors = [model.tokenize('x'), model.detokenize([1]), model.generate('x').result(), model.chat([{ role: 'user', content: 'x' }]).result()].map(failure);
    return { text, count: tokens.length, codes: (await Promise.all(errors)).map(({ code }) => code) };
  }, { url: tinyModel('llama-spm-f32-tied').url });
  assert.deepEqual(outcome, { text: '', count: 4, codes: Array(4).fill('unsupported-tokenizer') });
});
