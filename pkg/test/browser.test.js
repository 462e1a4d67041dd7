// Starts Chromium on a page that loads the built package, with a stand-in for the engine: what Node cannot show.
// PAGELM_CHROMIUM names the browser; PAGELM_REQUIRE_BROWSER=1 makes a missing one a failure.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('../', import.meta.url));
const chromium = process.env.PAGELM_CHROMIUM ?? '/usr/bin/chromium';
const types = { '.js': 'text/javascript', '.html': 'text/html' };
const body = Buffer.from(Uint8Array.from({ length: 9 * 1024 * 1024 + 5 }, (_, i) => (i * 7 + (i >> 9)) & 255));

const ranged = (response, request) => {
  const [start, end] = (request.headers.range ?? `bytes=0-${body.length - 1}`).match(/\d+/g).map(Number);
  const part = body.subarray(start, end + 1);
  response.writeHead(request.headers.range ? 206 : 200, { 'content-length': part.length, etag: '"1"', ...(request.headers.range && { 'content-range': `bytes ${start}-${start + part.length - 1}/${body.length}` }) }).end(part);
};

const models = {
  'model.gguf': ranged,
  'short.gguf': (response) => { response.writeHead(200, { 'content-length': body.length }); response.write(body.subarray(0, 1e6)); setTimeout(() => response.destroy(), 100); },
  'slow.gguf': (response) => { response.writeHead(200, { 'content-length': body.length }); response.write(body.subarray(0, 1e6)); },
  'chunked.gguf': (response) => { response.writeHead(200); response.write(body.subarray(0, 1e6)); response.end(body.subarray(1e6)); },
  'gzip.gguf': (response) => { const packed = gzipSync(body); response.writeHead(200, { 'content-length': packed.length, 'content-encoding': 'gzip' }).end(packed); },
  'huge.gguf': (response) => { response.writeHead(200, { 'content-length': 9e15 }); response.write(body.subarray(0, 1e6)); },
};

function serve(report) {
  let requests = 0;
  return createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    if (path === '/report') {
      let text = '';
      request.on('data', (data) => { text += data; }).on('end', () => { response.end(); report(JSON.parse(text)); });
    } else if (path === '/requests') response.end(String(requests));
    else if (path.endsWith('.gguf')) {
      requests += 1;
      (models[path.slice(1)] ?? ((missing) => missing.writeHead(404).end()))(response, request);
    } else {
      const file = join(root, path.replace(/^\/pkg\/dist\/wasm\/pagelm\w*\.js$/, '/test/fake-engine.js').replace(/^\/pkg\//, '/'));
      if (!file.startsWith(root) || !existsSync(file)) return response.writeHead(404).end();
      response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(readFileSync(file));
    }
  });
}

const missing = !existsSync(chromium) && process.env.PAGELM_REQUIRE_BROWSER !== '1' && `no browser at ${chromium}`;

test('the package in Chromium', { skip: missing, timeout: 120_000 }, async (t) => {
  const results = [];
  let finish;
  const finished = new Promise((resolve) => { finish = resolve; });
  const server = serve((result) => (result.name === null ? finish('done') : results.push(result)));
  await new Promise((resolve) => server.listen(0, resolve));
  const profile = await mkdtemp(join(tmpdir(), 'pagelm-test-'));
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run', `--user-data-dir=${profile}`];
  const browser = spawn(chromium, [...flags, `http://localhost:${server.address().port}/pkg/test/browser/page.html`], { stdio: 'ignore' });
  const exited = new Promise((resolve) => { browser.on('exit', (code) => resolve(`the browser ended with ${code}`)); browser.on('error', (error) => resolve(String(error))); });
  const late = new Promise((resolve) => { setTimeout(resolve, 90_000, 'no answer in 90 s').unref(); });
  const how = await Promise.race([finished, exited, late]);
  browser.kill();
  await exited;
  server.closeAllConnections();
  server.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  for (const { name, error } of results) await t.test(name, () => assert.equal(error, undefined));
  assert.equal(how, 'done');
  assert.ok(results.length >= 16, `only ${results.length} cases ran`);
});
