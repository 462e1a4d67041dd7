// The store on a file system in memory: every step of a download is once the last one before the browser ends.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Progress } from '../build/progress.js';
import { openSource } from '../build/source.js';
import { answerStore } from '../build/store-calls.js';
import { Disk, useNavigator } from './fake-opfs.js';

const MIB = 1024 * 1024;
const body = Uint8Array.from({ length: 6 * MIB + 5 }, (_, i) => (i * 7 + (i >> 9)) & 255);
const sha256 = createHash('sha256').update(body).digest('hex');
const files = { '/m': body, '/a': body.subarray(0, 3 * MIB), '/b': body.subarray(3 * MIB) };
let server, base, ranges, etag = '"1"', sent = 0;

class Hasher {
  #hash = createHash('sha256');
  update(bytes) { this.#hash.update(bytes); }
  hex() { return this.#hash.copy().digest('hex'); }
  free() {}
}

before(async () => {
  server = createServer((request, response) => {
    const bytes = files[request.url.replace('/whole', '')];
    ranges.push(request.headers.range);
    if (request.url.startsWith('/whole')) return response.writeHead(200, { 'content-length': bytes.length, ...(etag && { etag }) }).end(bytes);
    const [start, end] = request.headers.range.match(/\d+/g).map(Number);
    const part = bytes.subarray(start, end + 1);
    sent += part.length;
    response.writeHead(206, { 'content-length': part.length, 'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}`, ...(etag && { etag }) }).end(part);
  });
  await new Promise((resolve) => server.listen(0, resolve));
  base = `http://localhost:${server.address().port}`;
});
after(() => { server.closeAllConnections(); server.close(); });

/** Loads as the worker does. @returns its bytes, whether they came from the store, and how many were sent. */
async function load(paths = ['/m'], { cache = 'opfs', hash, events = [], signal = new AbortController().signal, until = Infinity, isEndedAtOnce = false } = {}) {
  ranges = [];
  sent = 0;
  const parts = paths.map((path) => ({ url: base + path, ...(hash && { sha256: hash }) }));
  const stream = await openSource({ kind: 'urls', parts }, { ...(cache !== 'if possible' && { cache }), download: { connections: 3, retries: 0, stallMs: 5000 } }, { wasm: { Hasher }, progress: new Progress((event) => events.push(event)), signal });
  const pieces = [];
  let length = 0;
  try {
    for await (const piece of stream.pieces()) {
      pieces.push(piece.slice());
      length += piece.length;
      if (length >= until) break;
    }
    if (length < until && !isEndedAtOnce) {
      await stream.describe?.({ architecture: 'llama' });
      await stream.tidy?.();
    }
  } finally {
    await stream.close();
  }
  return { bytes: Buffer.concat(pieces), fromCache: stream.fromCache, sent };
}

const list = () => answerStore({ method: 'list' }, { progress: new Progress(() => {}), signal: new AbortController().signal });
const boot = (disk) => useNavigator(disk.boot());
const names = (disk) => [...disk.files.keys()].filter((name) => !name.startsWith('index.')).sort();

test('stored by its content; the second load asks for nothing', async () => {
  const disk = new Disk();
  boot(disk);
  assert.ok((await load()).bytes.equals(body));
  assert.deepEqual(names(disk), [sha256]);
  boot(disk);
  const again = await load();
  assert.deepEqual([again.bytes.equals(body), again.fromCache, again.sent], [true, true, 0]);
  const elsewhere = await load(['/elsewhere'], { hash: sha256 });
  assert.deepEqual([elsewhere.bytes.equals(body), elsewhere.sent], [true, 0]);
});

test('a download that was left goes on', async () => {
  const disk = new Disk();
  boot(disk);
  await load(['/m'], { until: 4 * MIB });
  assert.equal(names(disk).filter((name) => name.endsWith('.part')).length, 1);
  boot(disk);
  const { bytes, sent: rest } = await load();
  assert.ok(bytes.equals(body));
  assert.ok(rest < 3 * MIB, `${rest} bytes were fetched again`);
  assert.deepEqual(names(disk), [sha256]);
});

test('a download that was left begins anew when the file has changed, or nobody can tell', async () => {
  for (const [now, isSame] of [['"1"', true], ['"2"', false], [null, false]]) {
    const disk = new Disk();
    boot(disk);
    etag = '"1"';
    await load(['/m'], { until: 4 * MIB });
    boot(disk);
    etag = now;
    const { bytes, sent: rest } = await load();
    etag = '"1"';
    assert.ok(bytes.equals(body));
    assert.equal(rest < body.length, isSame, `${rest} bytes with ETag ${now}`);
  }
});

test('a download that was left leaves nothing where there are no byte ranges: it would begin anew', async () => {
  const disk = new Disk();
  boot(disk);
  await load(['/whole/m'], { until: 1 });
  assert.deepEqual(names(disk), []);
  assert.ok((await load(['/whole/m'])).bytes.equals(body));
  assert.deepEqual(names(disk), [sha256]);
});

test('bytes that are not what was asked for leave nothing', async () => {
  const disk = new Disk();
  boot(disk);
  await assert.rejects(load(['/m'], { hash: '0'.repeat(64) }), { code: 'hash-mismatch' });
  assert.deepEqual(names(disk), []);
});

test('what the engine refuses leaves nothing; what was complete stays, and what an earlier load has begun if that is asked for', async () => {
  const disk = new Disk();
  boot(disk);
  const open = () => openSource({ kind: 'urls', parts: [{ url: `${base}/m` }] }, { cache: 'opfs', download: { connections: 3, retries: 0, stallMs: 5000 } }, { wasm: { Hasher }, progress: new Progress(() => {}), signal: new AbortController().signal });
  ranges = [];
  for (const keepsEarlier of [false, true]) {
    const stream = await open();
    for await (const _ of stream.pieces()) break;
    assert.equal(names(disk).length, 2);
    await stream.refuse(keepsEarlier);
    assert.deepEqual(names(disk), []);
  }
  for (const keepsEarlier of [true, false]) {
    await load(['/m'], { until: 4 * MIB });
    const again = await open();
    for await (const _ of again.pieces()) break;
    await again.refuse(keepsEarlier);
    assert.equal(names(disk).length, keepsEarlier ? 2 : 0);
  }
  await load();
  const stored = await open();
  for await (const _ of stored.pieces()) break;
  await stored.refuse(false);
  assert.deepEqual(names(disk), [sha256]);
});

test('no room: an error with numbers when a copy was asked for, otherwise no copy', async () => {
  const disk = new Disk();
  disk.quota = 4 * MIB + 100_000;
  boot(disk);
  await assert.rejects(load(), (error) => error.code === 'storage' && /needs \d+ more bytes.*\d+ of the \d+ bytes/.test(error.message));
  boot(disk);
  assert.ok((await load(['/m'], { cache: 'if possible' })).bytes.equals(body));
  // an estimate that is wrong
  const lying = disk.boot();
  lying.storage.estimate = async () => ({ quota: 1e15, usage: 0 });
  useNavigator(lying);
  await assert.rejects(load(), (error) => error.code === 'storage' && /no room left/.test(error.message));
  useNavigator(lying);
  assert.ok((await load(['/m'], { cache: 'if possible' })).bytes.equals(body));
});

test('no room for all parts of a split model: known before the first is fetched', async () => {
  const disk = new Disk();
  disk.quota = 5 * MIB;
  boot(disk);
  await assert.rejects(load(['/a', '/b']), (error) => error.code === 'storage' && error.message.includes(`needs ${body.length} more bytes`));
});

test('two at once: one downloads, the other waits for it', async () => {
  const disk = new Disk();
  boot(disk);
  const events = [];
  const [one, two] = await Promise.all([load(), load(['/m'], { events })]);
  assert.ok(one.bytes.equals(body) && two.bytes.equals(body));
  assert.equal(sent, body.length);
  assert.ok(events.some(({ type, total }) => type === 'download' && total === body.length), 'who waits hears of it');
});

for (const [what, paths] of [['one file', ['/m']], ['two files', ['/a', '/b']]]) {
  test(`the browser ends at any step of loading ${what}: the next load is whole`, { timeout: 120_000 }, async () => {
    const whole = new Disk();
    boot(whole);
    await load(paths);
    const steps = whole.steps;
    assert.ok(steps > 20, `only ${steps} steps`);
    const outcomes = { resumed: 0, complete: 0, anew: 0 };
    for (let last = 0; last < steps; last += 1) {
      const disk = new Disk();
      boot(disk);
      disk.stepsLeft = last;
      await load(paths).catch(() => {});
      const isSealed = names(disk).some((name) => name.endsWith('.log') && /"sealed":"[0-9a-f]{64}"\}\n/.test(Buffer.from(disk.files.get(name).bytes)));
      boot(disk);
      const { bytes, sent: again } = await load(paths, { isEndedAtOnce: true });
      assert.ok(bytes.equals(body), `other bytes after a crash at step ${last}`);
      assert.equal((await list()).length, 1, `not listed after a crash at step ${last}`);
      if (isSealed) assert.ok(again < body.length / 1.9, `what was complete at step ${last} was fetched again`);
      if (isSealed && paths.length === 1) assert.equal(again, 0, `what was complete at step ${last} was fetched again`);
      outcomes[again === 0 ? 'complete' : again < body.length ? 'resumed' : 'anew'] += 1;
      boot(disk);
      assert.equal((await load(paths)).sent, 0, `not stored after a crash at step ${last}`);
      assert.equal(names(disk).filter((name) => !/^[0-9a-f]{64}$/.test(name)).length, 0, `step ${last} left ${names(disk)}`);
    }
    console.log(`  ${steps} steps: ${JSON.stringify(outcomes)}`);
    assert.ok(outcomes.resumed > 0 && outcomes.complete > 0 && outcomes.anew > 0, JSON.stringify(outcomes));
  });
}
