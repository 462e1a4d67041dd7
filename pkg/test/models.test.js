// What a page asks of the store, on a file system in memory.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { lineOf } from '../build/journal.js';
import { Progress } from '../build/progress.js';
import { openSource } from '../build/source.js';
import { answerStore } from '../build/store-calls.js';
import { Disk, useNavigator } from './fake-opfs.js';

const KIB = 1024;
const fileOf = (seed) => Uint8Array.from({ length: 100 * KIB }, (_, i) => (i * seed) & 255);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const paths = { '/a': fileOf(3), '/b': fileOf(5), '/c': fileOf(7), '/large': Uint8Array.from({ length: 250 * KIB }, (_, i) => i >> 8), '/x1': fileOf(11), '/x2': fileOf(13) };
let server, base, asked = 0;

class Hasher {
  #hash = createHash('sha256');
  update(bytes) { this.#hash.update(bytes); }
  hex() { return this.#hash.copy().digest('hex'); }
  free() {}
}

before(async () => {
  server = createServer((request, response) => {
    asked += 1;
    const bytes = paths[request.url];
    const [start, end] = request.headers.range.match(/\d+/g).map(Number);
    const part = bytes.subarray(start, end + 1);
    response.writeHead(206, { 'content-length': part.length, 'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}`, etag: '"1"' }).end(part);
  });
  await new Promise((resolve) => server.listen(0, resolve));
  base = `http://localhost:${server.address().port}`;
});
after(() => { server.closeAllConnections(); server.close(); });

async function load(names, { evict, onEvent, stop = false, hash } = {}) {
  const parts = names.map((path) => ({ url: base + path, ...(hash && { sha256: hash }) }));
  const signal = new AbortController().signal;
  const stream = await openSource({ kind: 'urls', parts }, { cache: 'opfs', ...(evict && { evict }), download: { connections: 2, retries: 0, stallMs: 5000 } }, { wasm: { Hasher }, progress: new Progress(() => {}), emit: onEvent, signal });
  if (!stop) for await (const _ of stream.pieces()) ; // read to its end
  await stream.describe({ architecture: 'llama', name: names[0], parameters: 1, quantisation: 'Q4_0', more: 'than that' });
  await stream.tidy();
  await stream.close();
}

const events = [];
function ask(method, more = {}) {
  const context = { engine: async () => ({ Hasher }), progress: new Progress((event) => events.push(event)), signal: new AbortController().signal };
  return answerStore({ method, ...more }, context);
}

function start() {
  const disk = new Disk();
  const navigator = disk.boot();
  navigator.storage.persisted = async () => true;
  useNavigator(navigator);
  return disk;
}
const ids = async () => (await ask('list')).map(({ id }) => id);
const pause = () => new Promise((resolve) => setTimeout(resolve, 5)); // times are in milliseconds
const [a, b, c] = ['/a', '/b', '/c'].map((path) => sha256(paths[path]));

test('list, inspect, pin: the last used first', async () => {
  start();
  assert.deepEqual(await ask('list'), []);
  for (const path of ['/a', '/b', '/a']) { await load([path]); await pause(); }
  assert.deepEqual(await ids(), [a, b]);
  const model = await ask('inspect', { id: a });
  assert.deepEqual([model.bytes, model.files, model.sources, model.pinned], [100 * KIB, [{ sha256: a, bytes: 100 * KIB }], [`${base}/a`], false]);
  assert.deepEqual(model.facts, { architecture: 'llama', name: '/a', parameters: 1, quantisation: 'Q4_0' });
  assert.ok(model.usedAt > model.addedAt && Date.now() - model.usedAt < 10_000);
  assert.equal((await ask('pin', { id: a, pinned: true })).pinned, true);
  assert.equal((await ask('inspect', { id: a })).pinned, true);
  for (const method of ['inspect', 'pin', 'remove', 'verify', 'export']) await assert.rejects(ask(method, { id: 'nothing', pinned: true }), { code: 'invalid-argument' });
});

test('remove: its files go, those of others stay', async () => {
  const disk = start();
  await load(['/x1', '/x2']);
  await load(['/x2']);
  await load(['/a']);
  await ask('remove', { id: sha256(paths['/x1']) });
  assert.deepEqual([...disk.files.keys()].filter((name) => !name.startsWith('index.')).sort(), [a, sha256(paths['/x2'])].sort());
  assert.deepEqual(await ids(), [a, sha256(paths['/x2'])]);
});

test('usage: models, what is unfinished, the quota', async () => {
  const disk = start();
  await load(['/a']);
  await load(['/b'], { stop: true });
  const usage = await ask('usage');
  assert.deepEqual([usage.models, usage.modelBytes, usage.unfinishedBytes, usage.persisted], [1, 100 * KIB, 100 * KIB, true]);
  assert.equal(usage.usage, disk.usage());
});

test('unfinished: where from and how much; discarded one by one, and fetched again from the beginning', async () => {
  const disk = start();
  await load(['/a']);
  await load(['/b'], { stop: true });
  await pause();
  await load(['/c'], { stop: true });
  const found = await ask('unfinished');
  assert.deepEqual(found.map(({ source, bytes, total, isActive }) => [source, bytes, total, isActive]), ['/c', '/b'].map((path) => [base + path, 100 * KIB, 100 * KIB, false]));
  assert.ok(found.every(({ changedAt }) => Date.now() - changedAt < 10_000));
  await ask('discard', { id: found[0].id });
  assert.deepEqual((await ask('unfinished')).map(({ source }) => source), [`${base}/b`]);
  assert.deepEqual([await ids(), disk.files.size], [[a], 5]);
  await assert.rejects(ask('discard', { id: found[0].id }), { code: 'invalid-argument' });
  await assert.rejects(ask('discard', { id: a }), { code: 'invalid-argument' });
  await load(['/c']);
  assert.deepEqual(await ids(), [c, a]);
});

test('unfinished: what a tab works at is told and stays', async () => {
  start();
  await load(['/b'], { stop: true });
  const [{ id }] = await ask('unfinished');
  await navigator.locks.request(`pagelm:part:${id}`, async () => {
    assert.equal((await ask('unfinished'))[0].isActive, true);
    await assert.rejects(ask('discard', { id }), (error) => error.code === 'storage' && /goes on in a tab/.test(error.message));
  });
  await ask('discard', { id });
  assert.deepEqual(await ask('unfinished'), []);
});

test('unfinished: a complete file of a split model that is not complete', async () => {
  const disk = start();
  await load(['/x1', '/x2']);
  disk.files.delete(sha256(paths['/x1']));
  await load(['/x1', '/x2'], { stop: true }); // the store forgets the model with the file that is gone
  const x2 = (await ask('unfinished')).find(({ id }) => id === sha256(paths['/x2']));
  assert.deepEqual([x2?.source, x2?.bytes, x2?.isActive], [`${base}/x2`, 100 * KIB, false]);
  await ask('discard', { id: x2.id });
  assert.equal(disk.files.has(x2.id), false);
});

test('unfinished: bytes that do not say what they are of are of no use, and go', async () => {
  const disk = start();
  disk.files.set('k.part', { bytes: new Uint8Array(100), open: false });
  disk.files.set('k.log', { bytes: new TextEncoder().encode(lineOf({ has: [[0, 100]] })), open: false });
  assert.deepEqual(await ask('unfinished'), []);
  assert.deepEqual([...disk.files.keys()].filter((name) => name.startsWith('k.')), []);
});

test('versions of one address lie side by side: the newer by its hash, and back without a request', async () => {
  start();
  const [older, newer] = [fileOf(17), fileOf(19)];
  for (const version of [older, newer]) {
    paths['/v'] = version;
    await load(['/v'], { hash: sha256(version) });
  }
  assert.deepEqual((await ids()).toSorted(), [older, newer].map(sha256).toSorted());
  asked = 0;
  for (const version of [older, newer, older]) {
    await pause();
    await load(['/v'], { hash: sha256(version) });
    assert.equal((await ids())[0], sha256(version), 'the one that was asked for is the last used');
  }
  assert.equal(asked, 0);
  await ask('remove', { id: sha256(newer) });
  assert.deepEqual(await ids(), [sha256(older)]);
});

test('verify: bytes that have changed are noticed and removed', async () => {
  const disk = start();
  await load(['/a']);
  await load(['/x1', '/x2']);
  const id = sha256(paths['/x1']);
  assert.deepEqual(await ask('verify', { id }), { id, ok: true, bad: [] });
  assert.deepEqual(events.at(-1), { type: 'verify', loaded: 200 * KIB, total: 200 * KIB });
  disk.files.get(sha256(paths['/x2'])).bytes[5] ^= 1;
  assert.deepEqual(await ask('verify', { id }), { id, ok: false, bad: [sha256(paths['/x2'])] });
  assert.deepEqual(await ids(), [a]);
  await load(['/x1', '/x2']);
  assert.equal((await ask('verify', { id })).ok, true);
  disk.files.delete(a);
  assert.deepEqual(await ask('verify', { id: a }), { id: a, ok: false, bad: [a] });
});

test('export and import', async () => {
  start();
  await load(['/x1', '/x2']);
  const id = sha256(paths['/x1']);
  const blobs = await ask('export', { id });
  assert.deepEqual(blobs.map(({ name, size }) => [name, size]), [['x1', 100 * KIB], ['x2', 100 * KIB]]);
  const disk = start();
  const model = await ask('import', { blobs, names: ['one.gguf', 'two.gguf'] });
  assert.deepEqual([model.id, model.sources, model.bytes], [id, ['one.gguf', 'two.gguf'], 200 * KIB]);
  assert.deepEqual(await ids(), [id]);
  assert.equal((await ask('verify', { id })).ok, true);
  await ask('import', { blobs, names: ['again.gguf', 'two.gguf'] });
  assert.deepEqual([await ids(), disk.files.size], [[id], 4]);
  disk.quota = disk.usage() + 1000;
  await assert.rejects(ask('import', { blobs, names: ['x', 'y'] }), (error) => error.code === 'storage' && /\d+ of the \d+ bytes/.test(error.message));
});

test('making room: the longest unused first, what is pinned never, nothing without being asked', async () => {
  const disk = start();
  for (const path of ['/a', '/b', '/c']) { await load([path]); await pause(); }
  await ask('pin', { id: a, pinned: true });
  await ask('export', { id: b }); // used
  disk.quota = disk.usage() + 160 * KIB;
  await assert.rejects(load(['/large']), { code: 'storage' });
  assert.equal((await ids()).length, 3);
  const removed = [];
  await load(['/large'], { evict: true, onEvent: (event) => removed.push(event) });
  assert.deepEqual(removed, [{ type: 'evicted', id: c, source: `${base}/c`, bytes: 100 * KIB }]);
  assert.deepEqual(await ids(), [sha256(paths['/large']), b, a]);
});

test('making room removes nothing when that would not be enough', async () => {
  const disk = start();
  for (const path of ['/a', '/b']) await load([path]);
  await ask('pin', { id: a, pinned: true });
  disk.quota = disk.usage() + 10 * KIB;
  await assert.rejects(load(['/large'], { evict: true, onEvent: () => assert.fail('something was removed') }), { code: 'storage' });
  assert.equal((await ids()).length, 2);
});

test('making room begins with unfinished downloads', async () => {
  const disk = start();
  await load(['/a']);
  await load(['/b'], { stop: true });
  disk.quota = disk.usage() + 200 * KIB;
  const removed = [];
  await load(['/large'], { evict: true, onEvent: ({ id, bytes }) => removed.push([id, bytes]) });
  assert.deepEqual(removed, [[null, 100 * KIB]]);
});

test('making room tells of what is left of a split model, too', async () => {
  const disk = start();
  await load(['/x1', '/x2']);
  disk.files.delete(sha256(paths['/x1']));
  await load(['/x1', '/x2'], { stop: true });
  disk.quota = disk.usage() + 100 * KIB;
  const removed = [];
  await load(['/large'], { evict: true, onEvent: ({ id, bytes }) => removed.push([id, bytes]) });
  assert.deepEqual(removed, [[null, 100 * KIB], [null, 100 * KIB]]);
  assert.deepEqual(await ids(), [sha256(paths['/large'])]);
});

test('what is damaged in the index is forgotten, not believed', async () => {
  for (const damage of [
    (disk) => { for (const name of ['index.a', 'index.b']) disk.files.get(name).bytes = Uint8Array.from({ length: 500 }, (_, i) => i); },
    (disk) => { for (const name of ['index.a', 'index.b']) disk.files.delete(name); },
    (disk) => { disk.files.get(a).bytes = new Uint8Array(5); },
    (disk) => { disk.files.delete(a); },
  ]) {
    const disk = start();
    await load(['/a']);
    damage(disk);
    await load(['/a']);
    assert.deepEqual([await ids(), (await ask('verify', { id: a })).ok], [[a], true]);
  }
});

test('an index that has grown long is written anew', async () => {
  const disk = start();
  await load(['/a']);
  for (let i = 0; i < 600; i += 1) await ask('pin', { id: a, pinned: i % 2 === 0 });
  const sizes = ['index.a', 'index.b'].map((name) => disk.files.get(name).bytes.length);
  assert.ok(Math.max(...sizes) < 40_000, `${sizes}`);
  assert.deepEqual(await ids(), [a]);
});

test('the browser ends at any step of writing the index anew: it is there', async () => {
  const disk = start();
  await load(['/a']);
  const lengthOf = () => ['index.a', 'index.b'].map((name) => disk.files.get(name).bytes.length);
  // up to the change after which it is written anew
  let i = 0;
  const pin = () => ask('pin', { id: a, pinned: (i += 1) % 2 === 0 });
  let before = Math.max(...lengthOf());
  let saved;
  for (; Math.max(...lengthOf()) >= before; await pin()) {
    before = Math.max(...lengthOf());
    saved = new Map([...disk.files].map(([name, { bytes }]) => [name, bytes.slice()]));
    assert.ok(i < 1000, 'it is never written anew');
  }
  let ended = 0;
  for (let last = 0; last < 8; last += 1) {
    const again = new Disk();
    for (const [name, bytes] of saved) again.files.set(name, { bytes: bytes.slice(), open: false });
    useNavigator(again.boot());
    again.stepsLeft = last;
    await pin().catch(() => { ended += 1; });
    useNavigator(again.boot());
    assert.deepEqual(await ids(), [a], `step ${last}`);
  }
  assert.ok(ended >= 3, `${ended} crashes only`);
});
