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

  test('a taken port moves to the next only when asked', async () => {
    const port = Number(new URL(server.origin).port);
    const next = await serve({ roots: { '/': folder }, port, nextFree: true });
    assert.notEqual(next.origin, server.origin);
    await next.close();
    await assert.rejects(serve({ roots: { '/': folder }, port }), /set PORT/);
  });
});
