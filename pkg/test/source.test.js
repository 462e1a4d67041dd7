// Downloads from a server in this process, well-behaved and not; what needs the origin private file system is in
// store.test.js, and the same faults in browsers in tests/browser/delivery.test.mjs.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Instead } from '../build/backend.js';
import { ingest } from '../build/ingest.js';
import { endToEnd } from '../build/byte-stream.js';
import { Progress } from '../build/progress.js';
import { openSource } from '../build/source.js';
import { Tunings } from '../build/tunings.js';
import { Hasher, Loader, state } from './fake-engine.js';

const MIB = 1024 * 1024;
const body = Uint8Array.from({ length: 10 * MIB + 5 }, (_, i) => (i * 7 + (i >> 9)) & 255);
const hash = (() => { const hasher = new Hasher(); hasher.update(body); return hasher.hex(); })();
let server, base, requests, answer, current = 0;

/** Answers with a range as it should; `headers` on top. */
function serve(request, response, headers = {}, bytes = body) {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (!match) return response.writeHead(200, { 'content-length': bytes.length, etag: '"1"', ...headers }).end(bytes);
  const [start, end] = [Number(match[1]), Math.min(Number(match[2]) + 1, bytes.length)];
  response.writeHead(206, { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}`, etag: '"1"', ...headers });
  return response.end(bytes.subarray(start, end));
}
const whole = (request, response, headers) => { delete request.headers.range; serve(request, response, headers); };

before(async () => {
  server = createServer((request, response) => {
    const [, of] = request.url.split('?');
    if (of !== undefined && of !== String(current)) return void response.destroy(); // of a test that has ended
    requests.push({ url: request.url, range: request.headers.range, headers: request.headers, method: request.method });
    (answer ?? serve)(request, response, requests.length);
  });
  await new Promise((resolve) => server.listen(0, resolve));
  base = `http://localhost:${server.address().port}`;
});
after(() => { server.closeAllConnections(); server.close(); });

function context(events = [], controller = new AbortController()) {
  requests = [];
  return { wasm: { Hasher, Loader }, progress: new Progress((event) => events.push(event)), signal: controller.signal };
}

const settings = { download: { connections: 4, retries: 2, stallMs: 300 } };

async function open(how, { part = {}, path = '/m.gguf', given = context(), ...more } = {}) {
  answer = how;
  current += 1;
  return openSource({ kind: 'urls', parts: [{ url: `${base}${path}?${current}`, ...(typeof part === 'function' ? part() : part) }], ...more }, settings, given);
}

async function bytesOf(stream) {
  const parts = [];
  for await (const piece of stream.pieces()) parts.push(piece.slice());
  return Buffer.concat(parts);
}

const arrives = async (how, options) => {
  const bytes = await bytesOf(await open(how, options));
  assert.ok(bytes.equals(body), 'other bytes arrived');
};
const fails = (how, code, message, options) => assert.rejects(open(how, options).then(bytesOf), (error) => {
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
});

test('a download: its bytes, ranges, total and events', async () => {
  const events = [];
  const stream = await open(serve, { headers: { 'X-Test': 'yes' }, given: context(events) });
  assert.deepEqual([stream.total, stream.fromCache], [body.length, false]);
  assert.ok((await bytesOf(stream)).equals(body));
  assert.deepEqual(requests.map(({ range }) => range), [`bytes=0-${4 * MIB - 1}`, `bytes=${4 * MIB}-${8 * MIB - 1}`, `bytes=${8 * MIB}-${body.length - 1}`]);
  assert.ok(requests.every(({ headers }) => headers['x-test'] === 'yes'));
  assert.deepEqual(events.at(-1), { type: 'download', loaded: body.length, total: body.length });
  assert.equal(events.filter(({ loaded, total }) => loaded === total).length, 1);
});

test('ranges are fetched at the same time, no more than asked for, and taken in order', async () => {
  const large = new Uint8Array(60 * MIB);
  large.forEach((_, i) => { if (i % MIB === 0) large[i] = i / MIB; });
  let now = 0;
  let most = 0;
  answer = (request, response) => {
    most = Math.max(most, ++now);
    // counted until it is answered: when the answer has arrived is seen here only later
    setTimeout(() => { now -= 1; serve(request, response, {}, large); }, 5 + 20 * Math.random());
  };
  const bytes = await bytesOf(await openSource({ kind: 'urls', parts: [{ url: `${base}/large` }] }, settings, context()));
  assert.ok(bytes.equals(large));
  assert.ok(most >= 3 && most <= 4, `${most} at once`);
});

test('the hash is checked when asked for', async () => {
  const events = [];
  await arrives(serve, { part: { sha256: hash }, given: context(events) });
  assert.ok(events.some(({ type, loaded }) => type === 'verify' && loaded === body.length));
  const wrong = hash.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  await fails(serve, 'hash-mismatch', new RegExp(`${hash}.*${wrong}`), { part: { sha256: wrong } });
});

test('the hash that the hub sends is checked, an ETag from elsewhere is not', async () => {
  const wrong = hash.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  const withHeaders = (headers) => (request, response) => serve(request, response, headers);
  const path = '/owner/repo/resolve/main/m.gguf';
  await arrives(withHeaders({ etag: `"${hash}"` }), { path });
  await arrives(withHeaders({ 'x-linked-etag': `"${hash}"`, etag: `"${wrong}"` }), { path });
  await arrives(withHeaders({ etag: `"${wrong}"` }));
  await fails(withHeaders({ etag: `"${wrong}"` }), 'hash-mismatch', /the hub promises/, { path });
  await fails(withHeaders({ 'x-linked-etag': `"${wrong}"` }), 'hash-mismatch', /the hub promises/);
});

test('the hash that the hub has in place of a large file is checked', async () => {
  const wrong = hash.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  const pointer = (oid, size = body.length) => `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`;
  const hub = (text) => (request, response) => (request.url.startsWith('/raw') ? response.writeHead(text === undefined ? 404 : 200).end(text) : serve(request, response));
  const part = () => ({ pointer: `${base}/raw?${current}` });
  const events = [];
  await arrives(hub(pointer(hash)), { part, given: context(events) });
  assert.ok(events.some(({ type }) => type === 'verify'));
  await fails(hub(pointer(wrong)), 'hash-mismatch', /the hub promises/, { part });
  for (const text of [undefined, '', pointer(wrong, 7), `${pointer(wrong)}more`, 'x'.repeat(5000), `GGUF${wrong}`]) await arrives(hub(text), { part });
});

for (const status of [401, 403, 404, 410, 418, 501]) {
  test(`HTTP status ${status} is a network error that says so, at once`, async () => {
    await fails((_, response) => response.writeHead(status).end(), 'network', new RegExp(`m\\.gguf.*${status}`));
    assert.equal(requests.length, 1);
  });
}
for (const status of [408, 429, 500, 503]) {
  test(`HTTP status ${status} is tried again`, async () => {
    await arrives((request, response, count) => (count <= 2 ? response.writeHead(status).end() : serve(request, response)));
    await fails((_, response) => response.writeHead(status).end(), 'network', new RegExp(`${status}.*tried 3 times`));
  });
}

test('Retry-After is waited for', async () => {
  const started = performance.now();
  await arrives((request, response, count) => (count === 1 ? response.writeHead(503, { 'retry-after': '1' }).end() : serve(request, response)));
  assert.ok(performance.now() - started >= 1000);
});

test('no server is a network error', async () => {
  await assert.rejects(openSource({ kind: 'urls', parts: [{ url: 'http://localhost:1/m' }] }, settings, context()), { code: 'network' });
});

/** The first so many requests go wrong, the others do not. */
const first = (count, wrong) => (request, response, number) => (number <= count ? wrong(request, response) : serve(request, response));
const later = (wrong) => (request, response, number) => (number === 1 ? serve(request, response) : wrong(request, response));
/** Sends so many bytes of what was asked for, and then `end`s. */
const partly = (bytes, end) => (request, response) => {
  const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? `bytes=0-${body.length - 1}`);
  const stop = Math.min(Number(last) + 1, body.length);
  response.writeHead(request.headers.range ? 206 : 200, { 'content-length': stop - start, ...(request.headers.range && { 'content-range': `bytes ${start}-${stop - 1}/${body.length}` }), etag: '"1"' });
  response.write(body.subarray(Number(start), Number(start) + bytes), () => end(response));
};
// not at once: a reset overtakes what was sent before it
const drop = (response) => setTimeout(() => response.destroy(), 50);
const stall = () => {};

for (const [name, wrong] of Object.entries({ 'dropped after 0 bytes': partly(0, drop), 'dropped after 1000 bytes': partly(1000, drop), 'stalled after 1000 bytes': partly(1000, stall), 'no answer': (_, response) => response.destroy(), 'silence': stall })) {
  test(`${name}: the rest is fetched again`, async () => {
    await arrives(first(1, wrong));
    await arrives((request, response, number) => (number === 2 || number === 3 ? wrong(request, response) : serve(request, response)));
    await fails(wrong, 'network', /tried 3 times/);
    // after no answer at all the same is asked for without a range
    assert.ok(requests.length <= (name === 'no answer' ? 6 : 4), `${requests.length} requests`);
  });
}

test('what a dropped request brought is not fetched again', async () => {
  await arrives((request, response, number) => (number === 2 ? partly(MIB, drop)(request, response) : serve(request, response)));
  const asked = requests.slice(1).map(({ range }) => range.match(/\d+/g).map(Number));
  assert.ok(asked.some(([start]) => start > 4 * MIB && start <= 5 * MIB), JSON.stringify(asked));
});

test('a connection that drops again and again, but always brings something, gets there', async () => {
  await arrives(partly(1_500_000, drop));
});

test('a server without ranges sends all in one; a retry passes over what is there', async () => {
  await arrives(whole);
  assert.equal(requests.length, 1);
  const broken = (request, response, number) => { delete request.headers.range; return number === 1 ? partly(3 * MIB, drop)(request, response) : serve(request, response); };
  await arrives(broken);
  assert.equal(requests.length, 2);
  const nameless = (request, response, number) => { response.setHeader('etag', ''); return broken(request, { writeHead: (status, { etag, ...headers }) => response.writeHead(status, headers), write: response.write.bind(response), end: response.end.bind(response), destroy: () => response.destroy() }, number); };
  await arrives(nameless, { part: { sha256: hash } });
  await fails(nameless, 'network', /prove that it still is the same file/);
});

test('a server that loses its ranges on the way', async () => {
  await arrives((request, response, number) => (number === 2 ? whole(request, response) : serve(request, response)));
  await fails(later(whole), 'network', /instead of 206/);
});

test('answers that are of another file or another place are refused', async () => {
  const lying = (headers) => (request, response) => serve(request, response, headers);
  await fails(later(lying({ etag: '"2"' })), 'network', /has changed.*ETag/);
  await fails(later((request, response) => serve(request, response, {}, body.subarray(1))), 'network', /has changed.*10485765 bytes and has 10485764/);
  await fails(later((_, response) => response.writeHead(416).end()), 'network', /has changed/);
  await fails(lying({ 'content-range': `bytes 5-9/${body.length}` }), 'network', /Content-Range/);
  await fails(lying({ 'content-range': 'bytes lots' }), 'network', /Content-Range/);
  await fails(later(lying({ 'content-range': `bytes 0-9/${body.length}` })), 'network', /Content-Range/);
  await fails((_, response) => response.writeHead(416, { 'content-range': 'bytes */0' }).end(), 'network', /is empty/);
});

test('a range that is shorter than asked for is followed by another', async () => {
  await arrives((request, response) => {
    const [start, end] = request.headers.range.match(/\d+/g).map(Number);
    request.headers.range = `bytes=${start}-${Math.min(end, start + MIB - 1)}`;
    serve(request, response);
  });
});

test('a body that goes on after its promise is refused', async (t) => {
  const real = globalThis.fetch;
  t.mock.method(globalThis, 'fetch', async (...args) => { const { status, headers } = await real(...args); return new Response(body, { status, headers }); });
  await fails(serve, 'network', /went on/);
});

test('a compressed or chunked body is collected first', async () => {
  const packed = gzipSync(body);
  const encoded = (_, response) => response.writeHead(200, { 'content-length': packed.length, 'content-encoding': 'gzip' }).end(packed);
  const chunked = (_, response) => { response.writeHead(200); response.write(body.subarray(0, 1000)); response.end(body.subarray(1000)); };
  for (const how of [encoded, chunked]) {
    const events = [];
    await arrives(how, { part: { sha256: hash }, given: context(events) });
    assert.equal(events[0].total, 0);
    assert.deepEqual(events.filter(({ type }) => type === 'download').at(-1), { type: 'download', loaded: body.length, total: body.length });
  }
  await fails(chunked, 'hash-mismatch', /asked for/, { part: { sha256: '0'.repeat(64) } });
});

test('a range with a Content-Encoding is asked for as a whole', async () => {
  await arrives((request, response) => {
    if (request.headers.range) return response.writeHead(206, { 'content-encoding': 'gzip', 'content-range': `bytes 0-99/${body.length}` }).end(gzipSync(body).subarray(0, 100));
    return serve(request, response);
  });
});

test('a redirect is followed, by every request', async () => {
  await arrives((request, response) => (request.url.startsWith('/m.gguf') ? response.writeHead(302, { location: '/other' }).end() : serve(request, response)));
  assert.equal(requests.filter(({ url }) => url === '/other').length, 3);
});

test('hidden Content-Range: HEAD tells the size', async () => {
  const hide = (request, response) => {
    if (request.method === 'HEAD') return response.writeHead(200, { 'content-length': body.length }).end();
    const [start, end] = request.headers.range.match(/\d+/g).map(Number);
    return response.writeHead(206, { 'content-length': Math.min(end + 1, body.length) - start }).end(body.subarray(start, end + 1));
  };
  await arrives(hide);
  assert.equal(requests.filter(({ method }) => method === 'HEAD').length, 1);
  await arrives((request, response) => (request.method === 'HEAD' ? response.writeHead(405).end() : request.headers.range ? hide(request, response) : serve(request, response)));
});

test('abort ends the download, also in a pause', { timeout: 5000 }, async () => {
  for (const how of [later(partly(100_000, stall)), (_, response) => response.writeHead(503, { 'retry-after': '60' }).end()]) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    await assert.rejects(open(how, { given: context([], controller) }).then(bytesOf), { name: 'AbortError' });
  }
});

test("cache: 'opfs' without a file system is a storage error; without the option it is not used", async () => {
  const given = context();
  await assert.rejects(openSource({ kind: 'urls', parts: [{ url: base }] }, { ...settings, cache: 'opfs' }, given), { code: 'storage' });
  assert.equal(requests.length, 0);
});

test('parts: all of them, end to end, a part that is missing by its name', async () => {
  const cuts = [0, 1000, 5 * MIB, body.length];
  const parts = [1, 2, 3].map((number) => ({ url: `${base}/p${number}` }));
  answer = (request, response) => { const number = Number(request.url.slice(2)); serve(request, response, {}, body.subarray(cuts[number - 1], cuts[number])); };
  const stream = await openSource({ kind: 'urls', parts }, settings, context());
  assert.equal(stream.total, body.length);
  assert.deepEqual(await stream.files[1].head(300_000), body.slice(1000, 301_000));
  assert.deepEqual(await stream.files[2].head(3), body.slice(5 * MIB, 5 * MIB + 3));
  assert.ok((await bytesOf(stream)).equals(body));
  answer = (request, response) => (request.url === '/p3' ? response.writeHead(404).end() : serve(request, response));
  await assert.rejects(openSource({ kind: 'urls', parts }, settings, context()), (error) => error.code === 'network' && error.message.includes('/p3') && error.message.includes('404'));
});

test('a Blob is read in pieces of 4 MiB', async () => {
  const large = new Blob([new Uint8Array(9 * 1024 * 1024).fill(1)]);
  const sizes = [];
  for await (const piece of (await openSource({ kind: 'blobs', blobs: [large] }, settings, context())).pieces()) sizes.push(piece.length);
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
const streamOf = (size) => endToEnd([{ bytes: body.length, fromCache: false, head: async () => body, pieces: () => pieces(size), close: async () => {} }]);

async function ingestWith(choice, prepare, size = 30_000, signal = new AbortController().signal, calibration = undefined) {
  state.loaders = [];
  state.prepare = prepare;
  try {
    return await ingest({ Loader }, streamOf(size), { backend: 'auto', contextLength: 9 }, choice, new Progress(() => {}), signal, undefined, calibration);
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

test('ingest gives the model to the CPU, from its first byte, when WebGPU is slower', async () => {
  const auto = { ...gpuFirst, isAuto: true, hardware: { name: 'acme', mayLose: true } };
  const calibration = { tunings: new Tunings(() => undefined), isKept: false, threads: 1 };
  try {
    for (const [speeds, backends] of [[{ webgpu: 1, cpu: 2 }, ['webgpu', 'cpu']], [{ webgpu: 2, cpu: 1 }, ['webgpu']]]) {
      calibration.tunings = new Tunings(() => undefined);
      state.tune = async () => ({ split: false, ...speeds });
      const { engine, choice } = await ingestWith(auto, undefined, 30_000, undefined, calibration);
      assert.equal(engine.sum, parseInt(hash, 16));
      assert.equal(choice.backend, backends.at(-1));
      assert.deepEqual(state.loaders.map(({ options }) => options.backend), backends);
    }
    // a device that fails while it is measured is one that did not take the model
    calibration.tunings = new Tunings(() => undefined);
    state.tune = async () => { throw Object.assign(new Error('no'), { code: 'gpu-failure' }); };
    assert.match((await ingestWith(auto, undefined, 30_000, undefined, calibration)).choice.reason, /^The CPU is used .*gpu-failure/);
  } finally {
    state.tune = undefined;
  }
});

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

test('ingest asks the build for WebGPU when that for threads cannot tell', async () => {
  const refusal = { fits: false, problem: 'needs 2 of 1', code: 'out-of-memory' };
  const auto = { backend: 'cpu', reason: '', mayFallBack: false, isAuto: true, adapter: {} };
  for (const webgpu of [{ fits: true }, refusal]) {
    state.fits = ({ backend }) => ({ cpu: refusal, webgpu: backend === 'webgpu' ? webgpu : null });
    try {
      if (webgpu.fits) assert.equal((await ingestWith(auto)).choice.backend, 'webgpu');
      else await assert.rejects(ingestWith(auto), { code: 'out-of-memory' });
      assert.deepEqual(state.loaders.map(({ options, freed }) => [options.backend, freed]), [['cpu', true], ['webgpu', !webgpu.fits]]);
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

test('ingest names the CPU instead where WebGPU fails with some of the weights; not for other errors, nor when WebGPU was asked for', async () => {
  const shown = new Progress(() => {});
  for (const [code, choice, isInstead] of [['gpu-failure', gpuFirst, true], ['out-of-memory', gpuFirst, true], ['device-lost', gpuFirst, false], ['gpu-failure', { ...gpuFirst, mayFallBack: false }, false]]) {
    state.loaders = [];
    class Failing extends Loader {
      compiling() {
        if (this.bytes < 100_000) return 3;
        throw Object.assign(new Error('a shader that is none'), { code });
      }
    }
    const failed = ingest({ Loader: Failing }, streamOf(1000), { backend: 'auto' }, choice, shown, new AbortController().signal);
    const error = await failed.then(() => assert.fail('it was loaded'), (error) => error);
    assert.equal(error instanceof Instead, isInstead, `${code}: ${error}`);
    if (isInstead) assert.deepEqual([error.choice.backend, error.choice.reason], ['cpu', `The CPU is used because WebGPU did not take the model (${code}: a shader that is none).`]);
    else assert.equal(error.code, code);
    assert.deepEqual(state.loaders.map(({ bytes, freed }) => [bytes, freed]), [[100_000, true]]);
  }
});

test('ingest stops at an abort', async () => {
  await assert.rejects(ingestWith(gpuFirst, undefined, 1000, AbortSignal.abort()), { name: 'AbortError' });
  assert.equal(state.loaders[0].pushes.length, 1);
  assert.ok(state.loaders[0].freed);
});
