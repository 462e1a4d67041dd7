// Looking at a model before it is fetched, and refusing it before its body is.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { folder, write } from '../shapes/write.mjs';
import { missing, open, roots } from './browsers.mjs';
import { realModel, tinyModel } from './paths.mjs';

const MB = 1e6;
/** The most that two requests of `inspect` ask for. */
const HEAD = 8 * 2 ** 20;
/** What is on its way on this machine when a page stops reading a body: 45 MB were seen in Firefox. */
const IN_FLIGHT = 80 * MB;

/** Files with whole-size headers and no weights. */
const files = join(folder, 'headers');
/** @type {Record<string, { url: string, bytes: number }>} */
const sparse = {};
before(() => {
  mkdirSync(files, { recursive: true });
  for (const [shape, quantisation] of [['qwen3-0.6b', 'Q4_K_M'], ['gemma-3-4b', 'Q8_0_L'], ['gemma-3-1b', 'Q4_K_M'], ['bitnet-2b', 'I2_S']]) {
    const name = `${shape}-${quantisation}.gguf`;
    sparse[shape] = { url: `/headers/${name}`, bytes: write(shape, quantisation, join(files, name), { sparse: true }) };
  }
});
after(() => rmSync(files, { recursive: true, force: true }));

/** @typedef {{ engine: import('./browsers.mjs').EngineName, webgpu: boolean }} Setting */
/** @type {Setting[]} */
const settings = [{ engine: 'chromium', webgpu: true }, { engine: 'chromium', webgpu: false }, { engine: 'firefox', webgpu: true }];

/** Bytes of each download that is not complete; there is nothing else in the store. @returns {Promise<number[]>} */
const unfinished = async () => {
  const { models } = await import(/** @type {any} */ (`${location.origin}/pkg/dist/index.js`));
  const { stored } = await import(/** @type {any} */ (`${location.origin}/browser/loading-page.js`));
  const downloads = await models.unfinished();
  if (downloads.length === 0 && (await stored()).length > 0) throw new Error(`there is ${await stored()}`);
  return downloads.map((/** @type {{ bytes: number }} */ { bytes }) => bytes);
};

for (const { engine, webgpu } of settings) {
  describe(`${engine}, ${webgpu ? 'WebGPU' : 'no WebGPU'}`, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    before(async () => { session = await open({ engine, webgpu, serves: { ...roots, '/headers/': files } }); });
    after(() => session?.close());

    /** Runs `name` of the page's module, and counts what was asked of the server for `url`. @param {string} name @param {any} args */
    async function ask(name, args) {
      const start = session.server.requests.length;
      const answer = await session.evaluate(async ({ name, args }) => (await import(`${location.origin}/browser/inspect-page.js`))[name](args), { name, args });
      const requests = session.server.requests.slice(start).filter(({ path }) => path.endsWith('.gguf'));
      return { answer, requests, bytes: requests.reduce((sum, { bytes }) => sum + bytes, 0) };
    }

    /** @param {any} args */
    async function look(args) {
      const { answer, requests, bytes } = await ask('look', args);
      assert.equal(answer.error, undefined, JSON.stringify(answer.error));
      assert.ok(requests.length >= 1 && requests.length <= 2, JSON.stringify(requests));
      assert.ok(requests.every(({ range }) => range !== undefined), 'every request has a range');
      return { ...answer, requests, bytesSent: bytes };
    }

    test('a whole-size model: what it is, in two requests, without its body', async () => {
      const { url, bytes } = sparse['qwen3-0.6b'];
      const it = await look({ source: url, options: { contextLength: 4096 } });
      assert.deepEqual(
        [it.architecture, it.quantisation, it.parameters, it.contextLength, it.maxContextLength, it.vocabularySize, it.bytes, it.tokenizerError],
        ['qwen3', 'Q4_K_M', 596_049_920, 4096, 40_960, 151_936, bytes, null],
      );
      assert.match(it.template, /im_start/);
      assert.equal(it.types.Q4_K + it.types.Q6_K + it.types.F32, it.parameters);
      const elements = 28 * 2 * 4096 * 8 * 128;
      assert.deepEqual([it.backends.cpu.kvCacheType, it.backends.cpu.needs.cache], ['i16', elements * 2.125]);
      const eight = await look({ source: url, options: { contextLength: 4096, kvCacheType: 'q8_0' } });
      assert.deepEqual([eight.backends.cpu.kvCacheType, eight.backends.cpu.needs.cache], ['q8_0', elements * 1.125]);
      const halves = await look({ source: url, options: { contextLength: 4096, kvCacheType: 'f16' } });
      assert.deepEqual([halves.backends.cpu.kvCacheType, halves.backends.cpu.needs.cache], ['i16', elements * 2.125]);
      if (webgpu) {
        assert.deepEqual([it.backends.webgpu.kvCacheType, it.backends.webgpu.needs.cache], ['f16', elements * 2]);
        assert.deepEqual([eight.backends.webgpu.kvCacheType, eight.backends.webgpu.needs.cache], ['q8_0', elements * 1.125]);
        assert.deepEqual([halves.backends.webgpu.kvCacheType, halves.backends.webgpu.fits], ['f16', true]);
      }
      assert.equal(it.requests.length, 2);
      assert.ok(it.bytesSent <= HEAD, `${it.bytesSent} bytes were sent`);
      assert.deepEqual([it.fits, it.backend, it.backends.webgpu === null], [true, 'cpu', !webgpu]);
    });

    test('types that Microsoft and Google use have their names', async () => {
      assert.equal((await look({ source: sparse['bitnet-2b'].url })).quantisation, 'I2_S');
      const gemma = await look({ source: sparse['gemma-3-1b'].url });
      assert.deepEqual([gemma.quantisation, gemma.vocabularySize, gemma.architecture], ['Q4_K_M', 262_144, 'gemma3']);
    });

    test('more than 4 GiB, and than WebAssembly can address: inspect says so, load refuses before the body', async () => {
      const { url, bytes } = sparse['gemma-3-4b'];
      assert.ok(bytes > 2 ** 32, `${bytes} bytes are less than 4 GiB`);
      const { backends, fits, backend, reason } = await look({ source: url });
      assert.equal(backends.cpu.fits, false);
      assert.equal(backends.cpu.code, 'out-of-memory');
      assert.match(backends.cpu.problem, /needs \d+ MB of WebAssembly memory \(weights \d+ MB, cache for 2048 tokens \d+ MB, .*\), and there are 4295 MB; .*such as Q\d/);
      assert.ok(backends.cpu.needs.heap > backends.cpu.have.heap);
      assert.deepEqual([fits, backend], webgpu ? [true, 'webgpu'] : [false, null]);
      if (!webgpu) assert.equal(reason, backends.cpu.problem);
      if (webgpu) assert.match(reason, /^WebGPU is used because the other backend has no room/);
      const { answer: { error }, bytes: sent } = await ask('refused', { source: url, options: { backend: 'cpu', cache: 'none' } });
      assert.equal(error.code, 'out-of-memory', error.message);
      assert.match(error.message, /needs \d+ MB .* there are 4295 MB/);
      assert.ok(sent < IN_FLIGHT && sent < bytes / 50, `${sent} bytes were sent`);
    });

    test('a context that is too long: a shorter one is offered', async () => {
      const source = sparse['qwen3-0.6b'].url;
      const { backends } = await look({ source, options: { contextLength: 40_960 } });
      const { problem, maxContextLength } = backends.cpu;
      assert.match(problem, new RegExp(`a contextLength of at most ${maxContextLength}`));
      assert.ok(maxContextLength > 10_000 && maxContextLength < 40_960, `${maxContextLength} tokens`);
      const shorter = await look({ source, options: { contextLength: maxContextLength } });
      assert.equal(shorter.backends.cpu.fits, true, shorter.backends.cpu.problem);
      const longer = await look({ source, options: { contextLength: maxContextLength + 1 } });
      assert.equal(longer.backends.cpu.fits, false);
    });

    test('a refusal leaves nothing in the store, and takes nothing away that an earlier load has left there', async () => {
      const source = sparse['qwen3-0.6b'].url;
      const [cached, tooLong] = [{ backend: 'cpu', cache: 'opfs' }, { backend: 'cpu', cache: 'opfs', contextLength: 40_960 }];
      const refused = await ask('refused', { source, options: tooLong });
      assert.equal(refused.answer.error?.code, 'out-of-memory', JSON.stringify(refused.answer));
      assert.deepEqual(await session.evaluate(unfinished, {}), []);

      await session.evaluate(async (args) => (await import(`${location.origin}/browser/delivery-page.js`)).abortAt(args), { source, options: cached, bytes: 20e6 });
      const [begun] = await session.evaluate(unfinished, {});
      assert.ok(begun >= 20e6, `${begun} bytes of a download that was stopped`);
      assert.equal((await ask('refused', { source, options: tooLong })).answer.error?.code, 'out-of-memory');
      assert.deepEqual((await session.evaluate(unfinished, {})).map((bytes) => bytes >= begun), [true]);
      await session.evaluate(async () => (await import(`${location.origin}/browser/delivery-page.js`)).discardOne(), {});
    });

    test('what is reckoned is what a loaded model holds: tiny ones and a real one', async () => {
      const models = [realModel, tinyModel('llama-bpe-q4_k_m-untied'), tinyModel('gemma3-q4_0-window8'), tinyModel('qwen3moe-mxfp4'), tinyModel('lfm2-q8_0')];
      for (const { url, file } of models) {
        for (const backend of webgpu ? ['cpu', 'webgpu'] : ['cpu']) {
          const { answer } = await ask('compare', { source: url, options: { backend, contextLength: 64 } });
          const { inspection: { backends, ...said }, info } = answer;
          const { needs } = backends[backend];
          assert.equal(needs.weights + needs.cache + needs.activations, info.memoryBytes, `${url} on ${backend}`);
          assert.equal(backends[backend].kvCacheType, info.kvCacheType, `${url} on ${backend}`);
          for (const key of ['architecture', 'name', 'parameters', 'quantisation', 'contextLength', 'vocabularySize', 'chatTemplate', 'reasoning']) assert.deepEqual(said[key], info[key], `${url}: ${key}`);
          assert.equal(said.bytes, statSync(file).size);
        }
      }
    });

    test('a tiny model is one request; a Blob is none', async () => {
      const { url, file } = tinyModel('llama-bpe-q4_0-ropefreqs-tied');
      const { requests, storage } = await look({ source: url });
      assert.equal(requests.length, 1);
      assert.equal(storage.needs, readFileSync(file).length);
      assert.equal(storage.fits, true);
      const { answer } = await ask('lookAtBlob', { url });
      assert.equal(answer.quantisation, 'Q4_0');
    });

    test('what cannot be read is the error that load has', async () => {
      for (const [code, source, options] of /** @type {[string, any, any][]} */ ([
        ['invalid-gguf', '/browser/inspect-page.js', {}],
        ['network', '/nowhere.gguf', {}],
        ['invalid-argument', sparse['qwen3-0.6b'].url, { contextLength: 1e6 }],
        ['unsupported-option', sparse['qwen3-0.6b'].url, { backend: 'cpu' }],
        ['invalid-argument', sparse['qwen3-0.6b'].url, { kvCacheType: 'q4_0' }],
      ])) {
        const { answer } = await ask('look', { source, options });
        assert.equal(answer.error?.code, code, JSON.stringify(answer.error ?? answer));
      }
    });
  });
}
