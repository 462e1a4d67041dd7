import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { serve } from './serve.mjs';

const body = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);

describe('serve', () => {
  /** @type {import('./serve.mjs').Server} */
  let server;
  /** @type {string} */
  let folder;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pagelm-serve-'));
    writeFileSync(join(folder, 'a.gguf'), body);
    writeFileSync(join(folder, 'b c.wasm'), 'wasm');
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>home</title>');
    server = await serve({ roots: { '/': folder, '/models/': folder } });
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    server.requests.length = 0;
    server.faults.length = 0;
  });

  /** @param {string} path @param {RequestInit} [init] */
  const get = (path, init) => fetch(server.origin + path, init);
  /** @param {Response} response */
  const bytes = async (response) => new Uint8Array(await response.arrayBuffer());

  test('a whole file, with the headers that isolate a page and the content policy', async () => {
    const response = await get('/models/a.gguf');
    assert.equal(response.status, 200);
    assert.deepEqual(await bytes(response), body);
    assert.equal(response.headers.get('accept-ranges'), 'bytes');
    assert.equal(response.headers.get('cross-origin-opener-policy'), 'same-origin');
    assert.equal(response.headers.get('cross-origin-embedder-policy'), 'require-corp');
    assert.match(response.headers.get('content-security-policy') ?? '', /script-src 'self' 'wasm-unsafe-eval'/);
  });

  test('isolated: false and strict: false send none of them', async () => {
    const plain = await serve({ roots: { '/': folder }, isolated: false, strict: false });
    const response = await fetch(`${plain.origin}/a.gguf`, { method: 'HEAD' });
    await plain.close();
    assert.equal(response.headers.get('cross-origin-opener-policy'), null);
    assert.equal(response.headers.get('cross-origin-embedder-policy'), null);
    assert.equal(response.headers.get('content-security-policy'), null);
  });

  for (const [range, start, end] of /** @type {[string, number, number][]} */ ([
    ['bytes=0-0', 0, 1],
    ['bytes=5-9', 5, 10],
    ['bytes=299990-', 299_990, 300_000],
    ['bytes=299990-999999', 299_990, 300_000],
    ['bytes=-7', 299_993, 300_000],
  ])) {
    test(`the range ${range}`, async () => {
      const response = await get('/models/a.gguf', { headers: { range } });
      assert.equal(response.status, 206);
      assert.equal(response.headers.get('content-range'), `bytes ${start}-${end - 1}/300000`);
      assert.deepEqual(await bytes(response), body.subarray(start, end));
    });
  }

  test('a range past the end is 416', async () => {
    const response = await get('/models/a.gguf', { headers: { range: 'bytes=300000-' } });
    assert.equal(response.status, 416);
    assert.equal(response.headers.get('content-range'), 'bytes */300000');
  });

  test('If-Range with another ETag gives the whole file', async () => {
    const etag = (await get('/models/a.gguf', { method: 'HEAD' })).headers.get('etag') ?? '';
    assert.notEqual(etag, '');
    const same = await get('/models/a.gguf', { headers: { range: 'bytes=5-9', 'if-range': etag } });
    const other = await get('/models/a.gguf', { headers: { range: 'bytes=5-9', 'if-range': '"other"' } });
    assert.equal((await bytes(same)).length, 5);
    assert.equal((await bytes(other)).length, body.length);
  });

  test('types that browsers insist on, and names with spaces', async () => {
    assert.equal((await get('/b%20c.wasm')).headers.get('content-type'), 'application/wasm');
    assert.match((await get('/')).headers.get('content-type') ?? '', /text\/html/);
  });

  test('nothing outside the roots', async () => {
    assert.equal((await get('/missing')).status, 404);
    assert.equal((await get('/%2e%2e/%2e%2e/etc/hostname')).status, 404);
    assert.equal((await get('/..%2f..%2fetc%2fhostname')).status, 403);
    assert.equal((await get('/%E0%A4%A')).status, 400);
  });

  test('the log has the range, the status and the bytes of every request', async () => {
    await bytes(await get('/models/a.gguf', { headers: { range: 'bytes=5-9' } }));
    await bytes(await get('/missing'));
    assert.deepEqual(server.requests[0], { method: 'GET', path: '/models/a.gguf', range: 'bytes=5-9', status: 206, bytes: 5 });
    assert.equal(server.requests[1].path, '/missing');
    assert.equal(server.requests[1].status, 404);
  });

  test('a status fault hits as often as it says', async () => {
    server.faults.push({ path: '/models/a.gguf', status: 503, times: 1 });
    assert.equal((await get('/models/a.gguf')).status, 503);
    assert.equal((await get('/models/a.gguf', { method: 'HEAD' })).status, 200);
  });

  test('a truncated body ends in an error after the bytes that were promised', async () => {
    server.faults.push({ path: /\.gguf$/, truncateAfter: 100_000, times: 1 });
    const response = await get('/models/a.gguf');
    assert.equal(response.headers.get('content-length'), '300000');
    let received = 0;
    await assert.rejects(async () => {
      for await (const chunk of /** @type {any} */ (response.body)) received += chunk.length;
    });
    assert.ok(received <= 100_000, `${received} bytes arrived`);
    assert.deepEqual(await bytes(await get('/models/a.gguf')), body, 'the next request is whole again');
  });

  test('a slow body arrives whole and not at once', async () => {
    server.faults.push({ path: '/models/a.gguf', delayMs: 20, times: 1 });
    const start = performance.now();
    assert.deepEqual(await bytes(await get('/models/a.gguf')), body);
    assert.ok(performance.now() - start > 60, 'five chunks, 20 ms each');
  });

  test('a file that exists nowhere: ranges of zeros and extents, beyond 4 GiB', async () => {
    const size = 5 * 2 ** 30;
    server.files.set('/made.gguf', { size, extents: [{ at: 2 ** 32 + 5, bytes: body }] });
    const head = await get('/made.gguf', { method: 'HEAD' });
    assert.equal(head.headers.get('content-length'), String(size));
    const response = await get('/made.gguf', { headers: { range: `bytes=${2 ** 32}-${2 ** 32 + 299_999}` } });
    assert.equal(response.headers.get('content-range'), `bytes ${2 ** 32}-${2 ** 32 + 299_999}/${size}`);
    assert.deepEqual(await bytes(response), Uint8Array.from([0, 0, 0, 0, 0, ...body.subarray(0, 299_995)]));
    assert.equal((await get('/made.gguf', { headers: { range: `bytes=${size}-` } })).status, 416);
  });

  test('faults: which requests they hit, and what comes of them', async () => {
    const path = '/models/a.gguf';
    const range = 'bytes=5-9';
    /** @param {Omit<import('./serve.mjs').Fault, 'path'>} fault */
    const inject = (fault) => { server.faults.length = 0; server.faults.push({ path, ...fault }); };
    inject({ status: 500, range: /^bytes=5/, after: 1, times: 1 });
    assert.deepEqual(await Promise.all([get(path), get(path, { headers: { range } })]).then((all) => all.map(({ status }) => status)), [200, 206]);
    assert.equal((await get(path, { headers: { range } })).status, 500);
    assert.equal((await get(path, { headers: { range } })).status, 206);
    inject({ noRanges: true, headers: { etag: '"x"', 'accept-ranges': null } });
    const whole = await get(path, { headers: { range } });
    assert.deepEqual([whole.status, whole.headers.get('etag'), whole.headers.get('accept-ranges')], [200, '"x"', null]);
    assert.deepEqual(await bytes(whole), body);
    inject({ gzip: true, noRanges: true });
    const packed = await get(path);
    assert.deepEqual([packed.headers.get('content-encoding'), packed.headers.get('content-length')], ['gzip', null]);
    assert.deepEqual(await bytes(packed), body);
    inject({ chunked: true });
    assert.equal((await get(path)).headers.get('content-length'), null);
    inject({ corrupt: 70_000 });
    assert.deepEqual([...await bytes(await get(path))].flatMap((byte, i) => (byte === body[i] ? [] : [i])), [70_000]);
    inject({ redirect: '/b%20c.wasm' });
    assert.equal(await (await get(path)).text(), 'wasm');
    inject({ drop: true });
    await assert.rejects(get(path));
    inject({ endAfter: 1000, headers: { 'content-length': null } });
    assert.deepEqual(await bytes(await get(path)), body.subarray(0, 1000));
    inject({ stallAfter: 1000 });
    await assert.rejects(get(path, { signal: AbortSignal.timeout(200) }).then(bytes), { name: 'TimeoutError' });
  });

  test('a taken port moves to the next only when asked', async () => {
    const port = Number(new URL(server.origin).port);
    const next = await serve({ roots: { '/': folder }, port, nextFree: true });
    assert.notEqual(next.origin, server.origin);
    await next.close();
    await assert.rejects(serve({ roots: { '/': folder }, port }), /set PORT/);
  });
});
