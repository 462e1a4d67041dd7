// The beginning of a file from servers of all kinds, and what follows from what the engine says.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { fitting } from '../build/fit.js';
import { openHeads } from '../build/head.js';
import { inspectSource } from '../build/inspection.js';

const FIRST = 1024 * 1024;
const file = new Uint8Array(9 * FIRST).map((_, i) => i);
let server, base, seen;

/** How the server behaves, by path. */
const behaviours = {
  '/plain': {},
  '/without-ranges': { ranges: false },
  '/changes': { etag: () => `"${seen.length}"` },
  '/encoded': { ranges: false, headers: { 'content-encoding': 'br' } },
  '/hidden': { hideTotal: true },
  '/breaks': { breakAt: 1000 },
};

function answer(request, response) {
  seen.push({ method: request.method, range: request.headers.range });
  const { ranges = true, etag, headers = {}, hideTotal, breakAt } = behaviours[request.url];
  const range = ranges ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') : null;
  const [start, end] = range ? [Number(range[1]), Math.min(Number(range[2]) + 1, file.length)] : [0, file.length];
  response.writeHead(range ? 206 : 200, {
    'content-length': end - start, ...(etag && { etag: etag() }), ...headers,
    ...(range && { 'content-range': `bytes ${start}-${end - 1}/${hideTotal ? '*' : file.length}` }),
  });
  if (request.method === 'HEAD') return response.end();
  if (breakAt) return response.write(file.subarray(start, start + breakAt), () => response.destroy());
  return response.end(file.subarray(start, end));
}

before(async () => {
  server = createServer(answer);
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  base = `http://127.0.0.1:${server.address().port}`;
});
after(() => { server.closeAllConnections(); server.close(); });

/** Reads `bytes` of the head and leaves it. */
async function read(path, bytes) {
  seen = [];
  const settings = { connections: 1, retries: 0, stallMs: 5000 };
  const [head] = await openHeads({ kind: 'urls', parts: [{ url: base + path }] }, new AbortController().signal, settings);
  let got = 0;
  for await (const piece of head.pieces()) {
    assert.deepEqual(piece.subarray(0, 16), file.subarray(got, got + Math.min(16, piece.length)));
    got += piece.length;
    if (got >= bytes) break;
  }
  await head.close();
  return { total: head.bytes, got };
}

test('a short header is one request, a longer one two', async () => {
  assert.equal((await read('/plain', 1000)).total, file.length);
  assert.deepEqual(seen.map(({ range }) => range), [`bytes=0-${FIRST - 1}`]);
  assert.ok((await read('/plain', FIRST + 1)).got > FIRST);
  const two = [`bytes=0-${FIRST - 1}`, `bytes=${FIRST}-${8 * FIRST - 1}`];
  assert.deepEqual(seen.map(({ range }) => range), two);
  assert.equal((await read('/plain', file.length + 1)).got, file.length);
  assert.deepEqual(seen.map(({ range }) => range), [...two, `bytes=${8 * FIRST}-${file.length - 1}`]);
});

test('a server without ranges: the one answer is read as far as it is needed', async () => {
  assert.equal((await read('/without-ranges', FIRST + 1)).total, file.length);
  assert.equal(seen.length, 1);
});

test('a total that the range does not tell is asked for', async () => {
  assert.equal((await read('/hidden', 10)).total, file.length);
  assert.deepEqual(seen.map(({ method }) => method), ['GET', 'GET']);
});

test('a file that changes, a body that breaks off, a length that nobody knows: network', async () => {
  await assert.rejects(read('/changes', FIRST + 1), { code: 'network' });
  await assert.rejects(read('/breaks', 2000), { code: 'network' });
  await assert.rejects(read('/encoded', 10), { code: 'network' });
});

const good = { fits: true, problem: null, code: null };
const bad = { fits: false, problem: 'needs 5 MB, and there are 4 MB', code: 'out-of-memory' };
const auto = (backend) => ({ backend, reason: 'r', mayFallBack: backend === 'webgpu', isAuto: true });

test('auto takes the backend that has room, and says why', () => {
  const choice = auto('webgpu');
  assert.equal(fitting(choice, { cpu: bad, webgpu: good }), choice);
  const cpu = fitting(choice, { cpu: good, webgpu: bad });
  assert.deepEqual([cpu.backend, cpu.mayFallBack], ['cpu', false]);
  assert.match(cpu.reason, /no room \(needs 5 MB, and there are 4 MB\)/);
  assert.equal(fitting(auto('cpu'), { cpu: bad, webgpu: good }).backend, 'webgpu');
  // a build without WebGPU does not know, but there is an adapter
  assert.equal(fitting({ ...auto('cpu'), adapter: {} }, { cpu: bad, webgpu: null }).backend, 'webgpu');
});

test('a backend that was asked for is not exchanged; without room anywhere it is an error', () => {
  const refused = { code: 'out-of-memory', message: bad.problem };
  assert.throws(() => fitting({ ...auto('cpu'), isAuto: false }, { cpu: bad, webgpu: good }), refused);
  assert.throws(() => fitting(auto('cpu'), { cpu: bad, webgpu: null }), refused);
  assert.throws(() => fitting(auto('webgpu'), { cpu: bad, webgpu: bad }), refused);
  assert.throws(() => fitting(auto('cpu'), { cpu: { ...bad, code: 'unsupported-type' }, webgpu: null }), { code: 'unsupported-type' });
});

/** Takes 10 bytes for a header. */
class Inspector {
  bytes = 0;
  static freed = 0;
  constructor(options) { this.options = options; }
  push(piece) {
    this.bytes += piece.length;
    return this.bytes >= 10;
  }
  report(adapter) { return { options: this.options, adapter, backends: { cpu: bad, webgpu: adapter ? good : null } }; }
  free() { Inspector.freed += 1; }
}

test('an inspection says what load would do', async () => {
  const limits = { maxBufferSize: 9, maxStorageBufferBindingSize: 8, other: 7 };
  const gpu = { requestAdapter: async () => ({ info: { vendor: 'acme' }, limits }) };
  const look = (blob, gpu) => inspectSource({ Inspector }, { kind: 'blobs', blobs: [blob] }, { contextLength: 3 }, gpu, new AbortController().signal);
  const it = await look(new Blob(['0123456789abc']), gpu);
  assert.deepEqual([it.fits, it.backend, it.options, it.adapter], [true, 'webgpu', { fileBytes: 13, contextLength: 3 }, { maxBufferSize: 9, maxStorageBufferBindingSize: 8 }]);
  const none = await look(new Blob(['0123456789abc']), undefined);
  assert.deepEqual([none.fits, none.backend, none.reason], [false, null, bad.problem]);
  await assert.rejects(look(new Blob(['012']), gpu), { code: 'invalid-gguf' });
  assert.equal(Inspector.freed, 3);
});
