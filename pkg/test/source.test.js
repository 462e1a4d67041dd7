// Downloads from a server in this process; what needs the origin private file system is in browser.test.js.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { ingest } from '../dist/ingest.js';
import { Progress } from '../dist/progress.js';
import { openSource } from '../dist/source.js';
import { Hasher, Loader, state } from './fake-engine.js';

const body = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) & 255);
const hash = (() => { const hasher = new Hasher(); hasher.update(body); return hasher.hex(); })();
let server, base, requests;

before(async () => {
  server = createServer((request, response) => {
    requests.push(request);
    const path = request.url;
    if (path === '/ok') response.writeHead(200, { 'content-length': body.length }).end(body);
    else if (path === '/short') { response.writeHead(200, { 'content-length': body.length }); response.write(body.subarray(0, 1000)); setTimeout(() => response.destroy(), 20); }
    else if (path === '/chunked') { response.writeHead(200); response.write(body.subarray(0, 1000)); response.end(body.subarray(1000)); }
    else if (path === '/slow') { response.writeHead(200, { 'content-length': body.length }); response.write(body.subarray(0, 1000)); }
    else response.writeHead(Number(path.slice(1)) || 404).end();
  });
  await new Promise((resolve) => server.listen(0, resolve));
  base = `http://localhost:${server.address().port}`;
});
after(() => { server.closeAllConnections(); server.close(); });

function context(events = [], controller = new AbortController()) {
  requests = [];
  return { wasm: { Hasher, Loader }, progress: new Progress((event) => events.push(event)), signal: controller.signal };
}

const open = (path, extra = {}, cache = undefined, given = context()) => openSource({ kind: 'url', url: base + path, ...extra }, cache, given);

async function bytesOf(stream) {
  const parts = [];
  for await (const piece of stream.pieces) parts.push(piece.slice());
  return Buffer.concat(parts);
}

test('a download: its bytes, total and events', async () => {
  const events = [];
  const stream = await open('/ok', { headers: { 'X-Test': 'yes' } }, undefined, context(events));
  assert.equal(stream.total, body.length);
  assert.equal(stream.fromCache, false);
  assert.deepEqual(await bytesOf(stream), Buffer.from(body));
  assert.equal(requests[0].headers['x-test'], 'yes');
  assert.deepEqual(events.at(-1), { type: 'download', loaded: body.length, total: body.length });
  assert.equal(events.filter(({ loaded, total }) => loaded === total).length, 1);
});

test('the hash is checked when asked for', async () => {
  const events = [];
  assert.equal((await bytesOf(await open('/ok', { sha256: hash }, 'none', context(events)))).length, body.length);
  assert.ok(events.some(({ type, loaded }) => type === 'verify' && loaded === body.length));
  const wrong = hash.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  await assert.rejects(open('/ok', { sha256: wrong }).then(bytesOf), (error) => error.code === 'hash-mismatch' && error.message.includes(hash) && error.message.includes(wrong));
});

for (const status of [401, 404, 503]) {
  test(`HTTP status ${status} is a network error that says so`, async () => {
    await assert.rejects(open(`/${status}`), (error) => error.code === 'network' && error.message.includes(String(status)) && error.message.includes(`${base}/${status}`));
  });
}

test('no server is a network error', async () => {
  await assert.rejects(openSource({ kind: 'url', url: 'http://localhost:1/m' }, undefined, context()), { code: 'network' });
});

test('a body that ends early is a network error', async () => {
  await assert.rejects(open('/short').then(bytesOf), (error) => error.code === 'network' && error.message.includes(String(body.length)));
});

for (const [words, length] of [['ended after', body.length + 1], ['went on to', body.length - 1]]) {
  test(`a body that ${words} its Content-Length is a network error, even if fetch does not mind`, async (t) => {
    t.mock.method(globalThis, 'fetch', async () => new Response(body, { headers: { 'content-length': String(length) } }));
    await assert.rejects(open('/any').then(bytesOf), (error) => error.code === 'network' && error.message.includes(words) && error.message.includes(String(length)));
  });
}

test('a body of unknown length is collected first', async () => {
  const events = [];
  const stream = await open('/chunked', { sha256: hash }, undefined, context(events));
  assert.equal(stream.total, body.length);
  assert.deepEqual(await bytesOf(stream), Buffer.from(body));
  assert.deepEqual(events[0].total, 0);
  assert.deepEqual(events.filter(({ type }) => type === 'download').at(-1), { type: 'download', loaded: body.length, total: body.length });
});

test('abort ends the download', { timeout: 5000 }, async () => {
  const controller = new AbortController();
  const stream = await open('/slow', {}, undefined, context([], controller));
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(bytesOf(stream), { name: 'AbortError' });
});

test("cache: 'opfs' without a file system is a storage error; without the option it is not used", async () => {
  await assert.rejects(open('/ok', {}, 'opfs'), { code: 'storage' });
  assert.equal(requests.length, 0);
});

test('a Blob is read in pieces of 4 MiB', async () => {
  const large = new Blob([new Uint8Array(9 * 1024 * 1024).fill(1)]);
  const sizes = [];
  for await (const piece of (await openSource({ kind: 'blob', blob: large }, undefined, context())).pieces) sizes.push(piece.length);
  assert.deepEqual(sizes, [4, 4, 1].map((mib) => mib * 1024 * 1024));
});

async function* pieces(size) {
  const buffer = new Uint8Array(size); // reused, as a stored file's buffer is
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
  }
}

const gpuFirst = { backend: 'webgpu', reason: 'there is one', mayFallBack: true };
const streamOf = (size) => ({ total: body.length, pieces: pieces(size), fromCache: false });

async function ingestWith(choice, prepare, size = 3, signal = new AbortController().signal) {
  state.loaders = [];
  state.prepare = prepare;
  try {
    return await ingest({ Loader }, streamOf(size), { backend: 'auto', contextLength: 9 }, choice, new Progress(() => {}), signal);
  } finally {
    state.prepare = undefined;
  }
}

test('ingest hands every byte to one loader', async () => {
  const { engine, choice } = await ingestWith(gpuFirst, undefined, 1000);
  assert.equal(engine.sum, parseInt(hash, 16));
  assert.deepEqual(engine.options, { backend: 'webgpu', contextLength: 9, fileBytes: body.length });
  assert.equal(choice, gpuFirst);
  assert.equal(state.loaders[0].freed, false); // finish() has consumed it
});

for (const code of ['gpu-unavailable', 'gpu-failure', 'out-of-memory']) {
  test(`ingest starts again on the CPU after ${code}`, async () => {
    const refuse = ({ backend }) => { if (backend === 'webgpu') throw Object.assign(new Error('no'), { code }); };
    const { engine, choice } = await ingestWith(gpuFirst, refuse);
    assert.equal(engine.sum, parseInt(hash, 16));
    assert.equal(choice.backend, 'cpu');
    assert.match(choice.reason, new RegExp(code));
    assert.deepEqual(state.loaders.map(({ options, freed }) => [options.backend, freed]), [['webgpu', true], ['cpu', false]]);
  });
}

test('ingest gives the model to the backend that has room, from its first byte', async () => {
  const refusal = { fits: false, problem: 'needs 2 of 1', code: 'out-of-memory' };
  for (const [first, other] of [['cpu', 'webgpu'], ['webgpu', 'cpu']]) {
    state.fits = () => ({ [first]: refusal, [other]: { fits: true } });
    try {
      const { engine, choice } = await ingestWith({ ...gpuFirst, backend: first, mayFallBack: false, isAuto: true });
      assert.equal(engine.sum, parseInt(hash, 16));
      assert.equal(choice.backend, other);
      assert.match(choice.reason, /needs 2 of 1/);
      await assert.rejects(ingestWith({ ...gpuFirst, backend: first, mayFallBack: false }), { code: 'out-of-memory', message: 'needs 2 of 1' });
      assert.deepEqual(state.loaders.map(({ options, freed }) => [options.backend, freed]), [[first, true]]);
    } finally {
      state.fits = undefined;
    }
  }
});

test('ingest does not hide other errors, nor any when WebGPU was asked for', async () => {
  const refuse = (code) => () => { throw Object.assign(new Error('no'), { code }); };
  await assert.rejects(ingestWith(gpuFirst, refuse('invalid-model')), { code: 'invalid-model' });
  assert.ok(state.loaders[0].freed);
  await assert.rejects(ingestWith({ ...gpuFirst, mayFallBack: false }, refuse('gpu-failure')), { code: 'gpu-failure' });
  assert.equal(state.loaders.length, 1);
});

test('ingest stops at an abort', async () => {
  await assert.rejects(ingestWith(gpuFirst, undefined, 1000, AbortSignal.abort()), { name: 'AbortError' });
  assert.equal(state.loaders[0].pushes.length, 1);
  assert.ok(state.loaders[0].freed);
});
