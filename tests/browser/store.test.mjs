// The store of models in a browser: room made for another model, a model taken out and put back, and models of a hub that is a
// mirror and wants a token.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { serve } from '../server/serve.mjs';
import { missing, open, roots } from './browsers.mjs';
import { tinyModel } from './paths.mjs';
import { bytesOf, read, split, spread } from './reshape.js';

const parts = ['llama-bpe-q4_0-ropefreqs-tied', 'llama-bpe-q4_1-ropelinear'].map((name) => read(readFileSync(tinyModel(name).file)));
const sha256 = (/** @type {Uint8Array} */ bytes) => createHash('sha256').update(bytes).digest('hex');
const stored = { backend: 'cpu', cache: 'opfs' };

/** @param {import('./browsers.mjs').Session} session @param {string} name @param {any} [args] @returns {Promise<any>} */
const page = (session, name, args = {}) => session.evaluate(async ({ name, args }) => {
  const functions = { ...await import(`${location.origin}/browser/loading-page.js`), ...await import(`${location.origin}/browser/store-page.js`) };
  return functions[name](args);
}, { name, args });

for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  test(`onEvict in ${engine}: the model that was longest not used goes, and is told of`, { skip: missing(engine), timeout: 300_000 }, async (t) => {
    // room for two of them; Firefox gives one origin a fifth
    const session = await open({ engine, strict: false, quota: engine === 'firefox' ? 100e6 : 20e6 });
    t.after(() => session.close());
    const made = [spread(parts[0], 5, 8e6), spread(parts[1], 5, 8e6), spread(parts[0], 3, 8e6)];
    const [a, b, c] = made.map((file, index) => {
      const path = `/made/${index}.gguf`;
      session.server.files.set(path, file);
      return { source: session.origin + path, id: sha256(bytesOf(file, 0, file.size)), bytes: file.size };
    });
    for (const { source } of [a, b]) assert.equal((await page(session, 'attempt', { source, options: stored })).error, undefined);
    await page(session, 'useAgain', a);
    assert.deepEqual(await page(session, 'ids'), [a.id, b.id]);

    const refused = await page(session, 'attempt', { source: c.source, options: stored });
    assert.equal(refused.error?.code, 'storage', 'without a listener nothing is removed');
    assert.deepEqual(await page(session, 'ids'), [a.id, b.id]);

    const first = await page(session, 'loadEvicting', { source: c.source, options: stored });
    assert.equal(first.error, undefined, JSON.stringify(first.error));
    assert.deepEqual(first.evicted, [b]);
    assert.deepEqual(first.ids, [c.id, a.id]);
    assert.equal(first.scores.length, 4);

    await page(session, 'pin', { id: a.id });
    const second = await page(session, 'loadEvicting', { source: b.source, options: stored });
    assert.deepEqual([second.error, second.evicted, second.ids], [undefined, [c], [b.id, a.id]], 'a pinned one stays, however long it was not used');
  });

  test(`versions in ${engine}: two of one address side by side, switched and rolled back without a request`, { skip: missing(engine), timeout: 300_000 }, async (t) => {
    const session = await open({ engine });
    t.after(() => session.close());
    const path = '/made/versions.gguf';
    const source = session.origin + path;
    const made = parts.map((part, index) => spread(part, 5 + index, 8e6)).map((file) => ({ file, id: sha256(bytesOf(file, 0, file.size)) }));
    const [older, newer] = made.map(({ id }) => ({ url: source, sha256: id }));
    const publish = (/** @type {number} */ version) => session.server.files.set(path, { ...made[version].file, etag: `"${version}"` });
    /** @param {any} wanted */
    const scoresOf = async (wanted) => {
      const { error, scores } = await page(session, 'attempt', { source: wanted, options: stored });
      assert.equal(error, undefined, JSON.stringify(error));
      return scores;
    };
    const here = () => page(session, 'versions', { source });

    publish(0);
    const first = await scoresOf(source);
    publish(1);
    assert.deepEqual(await scoresOf(source), first, 'the copy that is here is not asked for again at its address');
    const second = await scoresOf(newer);
    assert.notDeepEqual(second, first);
    assert.deepEqual(await here(), [{ id: newer.sha256, bytes: made[1].file.size, quantisation: 'Q4_1' }, { id: older.sha256, bytes: made[0].file.size, quantisation: 'Q4_0' }]);

    session.server.requests.length = 0;
    assert.deepEqual(await scoresOf(source), second, 'the address is that of the newer one');
    assert.deepEqual(await scoresOf(older), first, 'rolled back');
    assert.equal((await here())[0].id, older.sha256);
    assert.deepEqual(await scoresOf(newer), second, 'and switched again');
    assert.deepEqual(await page(session, 'sideBySide', { sources: [older, newer] }), [first, second]);
    assert.deepEqual(session.server.requests.filter(({ path: asked }) => asked === path), []);

    await page(session, 'remove', { id: newer.sha256 });
    assert.deepEqual((await here()).map((/** @type {any} */ { id }) => id), [older.sha256], 'removing one leaves the other');
    assert.deepEqual(await scoresOf(older), first);
  });

  test(`persistence in ${engine}: asked for once, when something is stored, and whenever a page wants it`, { skip: missing(engine), timeout: 60_000 }, async (t) => {
    const session = await open({ engine });
    t.after(() => session.close());
    const source = session.origin + tinyModel('llama-bpe-q4_0-ropefreqs-tied').url;
    assert.deepEqual(await page(session, 'asksToPersist', { source }), [0, 1, true, 2]);
  });

  test(`export and import in ${engine}: a split model comes back as it was`, { skip: missing(engine), timeout: 300_000 }, async (t) => {
    const session = await open({ engine });
    t.after(() => session.close());
    const files = split(parts[0], 3);
    const names = files.map((bytes, index) => {
      const name = `model-0000${index + 1}-of-00003.gguf`;
      session.server.files.set(`/made/${name}`, { size: bytes.length, extents: [{ at: 0, bytes }] });
      return name;
    });
    const { error, scores } = await page(session, 'attempt', { source: `/made/${names[0]}`, options: stored });
    assert.equal(error, undefined, JSON.stringify(error));
    const id = sha256(files[0]);
    const found = await page(session, 'roundTrip', { id });
    assert.deepEqual(found.names, names, 'exported under their names');
    assert.deepEqual(found.removed, []);
    assert.deepEqual(found.imported.files, files.map((bytes) => ({ sha256: sha256(bytes), bytes: bytes.length })));
    assert.deepEqual([found.imported.id, found.imported.bytes, found.imported.sources], [id, found.before.bytes, names]);
    assert.deepEqual([found.again.id, found.left], [id, [id]], 'a second import is the same model');
    assert.deepEqual(found.check, { id, ok: true, bad: [] });
    session.server.requests.length = 0;
    assert.deepEqual(await page(session, 'scoresOf', { id }), scores);
    assert.deepEqual(session.server.requests.filter(({ path }) => path.endsWith('.gguf')), []);
  });

  describe(`a mirror of the hub in ${engine}`, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */ let session;
    /** @type {import('../server/serve.mjs').Server} */ let mirror;
    const body = readFileSync(tinyModel('llama-bpe-q4_0-ropefreqs-tied').file);
    const token = 'hf_of_a_test';
    const [file, pointer] = ['resolve', 'raw'].map((what) => `/hub/owner/a.repo/${what}/v1/deep/m.gguf`);
    const source = 'hf:owner/a.repo/deep/m.gguf@v1';
    const options = () => ({ ...stored, hub: { baseUrl: `${mirror.origin}/hub/`, token } });

    before(async () => {
      session = await open({ engine, strict: false });
      mirror = await serve({ roots, isolated: false, strict: false });
      mirror.faults.push({ path: /^\/hub\//, bearer: token, headers: {
        'access-control-allow-origin': '*', 'access-control-allow-headers': 'Authorization, Range', 'access-control-expose-headers': 'Content-Range, ETag',
      } });
    });
    after(async () => {
      await session?.close();
      await mirror?.close();
    });
    beforeEach(async () => {
      await page(session, 'forget');
      for (const { requests } of [session.server, mirror]) requests.length = 0;
      place(file, body);
      place(pointer, pointerTo(sha256(body)));
    });

    /** @param {string} path @param {Uint8Array} bytes */
    const place = (path, bytes) => mirror.files.set(path, { size: bytes.length, extents: [{ at: 0, bytes }] });
    /** What a repository holds in place of a large file. @param {string} hash */
    const pointerTo = (hash) => Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${hash}\nsize ${body.length}\n`);

    test('with the token it loads, checked by the hash that the repository names; the next load asks for nothing', async () => {
      const first = await page(session, 'attempt', { source, options: options() });
      assert.equal(first.error, undefined, JSON.stringify(first.error));
      assert.deepEqual(first.stored, [sha256(body)]);
      const asked = mirror.requests.filter(({ method }) => method === 'GET');
      assert.deepEqual([...new Set(asked.map(({ path }) => path))].sort(), [pointer, file].sort());
      assert.ok(asked.every(({ status }) => status === 200 || status === 206), JSON.stringify(asked));
      assert.ok(!session.server.requests.some(({ path }) => path.endsWith('.gguf')), 'nothing of it from the page\'s own server');
      mirror.requests.length = 0;
      const second = await page(session, 'attempt', { source, options: options() });
      assert.deepEqual([second.error, second.fromCache, mirror.requests.length], [undefined, true, 0]);
    });

    test('without the token, or with another: network, with what to do', async () => {
      for (const hub of [{}, { token: 'another' }]) {
        const { error, stored: left } = await page(session, 'attempt', { source, options: { ...stored, hub: { ...options().hub, token: undefined, ...hub } } });
        assert.equal(error?.code, 'network', JSON.stringify(error));
        assert.match(error.message, /401[\s\S]*hub\.token/);
        assert.deepEqual(left, []);
      }
    });

    test('bytes that are not what the repository names: hash-mismatch, and nothing is left', async () => {
      place(pointer, pointerTo(sha256(Buffer.from('another file'))));
      const { error, stored: left } = await page(session, 'attempt', { source, options: options() });
      assert.equal(error?.code, 'hash-mismatch', JSON.stringify(error));
      assert.deepEqual(left, []);
    });
  });
}
