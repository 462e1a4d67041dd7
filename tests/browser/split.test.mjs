// Models in several files, files over 4 GiB, and files of unusual layout: the same numbers as the plain file.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { build, meta } from './gguf.js';
import { tinyModel } from './paths.mjs';
import { read, split, spread } from './reshape.js';

const { url, file } = tinyModel('llama-bpe-q4_0-ropefreqs-tied');
const { url: otherUrl, file: otherFile } = tinyModel('llama-bpe-q4_1-ropelinear');
const parts = read(readFileSync(file));
const files = split(parts, 3);
const others = split(read(readFileSync(otherFile)), 3);
const cpu = { backend: 'cpu' };

/** @param {number} number @param {string} [name] */
const address = (number, name = 'model') => `/made/${name}-0000${number}-of-00003.gguf`;
/** @param {Uint8Array} bytes */
const sparse = (bytes) => ({ size: bytes.length, extents: [{ at: 0, bytes }] });
const sha256 = (/** @type {Uint8Array} */ bytes) => createHash('sha256').update(bytes).digest('hex');

/** Other orders and sizes of what is in a file. @type {Record<string, import('./reshape.js').Sparse>} */
const layouts = {
  'alignment 64': spread(parts, 0, 0, 64),
  'alignment 8': spread(parts, 0, 0, 8),
  'alignment 65,536': spread(parts, 0, 0, 65_536),
  'a gap of 20 MiB in the data': spread(parts, 5, 20 * 2 ** 20),
  'tensors and keys in the reverse order': sparse(build({ pairs: [...parts.pairs].reverse(), tensors: [...parts.tensors].reverse() })),
  'strings of 1 MB and arrays of 100,000 elements': sparse(build({
    ...parts,
    pairs: [['a', meta.string('é'.repeat(500_000))], ['b', meta.u32s(Array(100_000).fill(7))], ['c', meta.strings(Array(100_000).fill('word'))], ...parts.pairs],
  })),
};

for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  describe(`split and large files in ${engine}`, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    /** @type {number[]} */
    let expected;

    before(async () => {
      session = await open({ engine });
      files.forEach((bytes, index) => session.server.files.set(address(index + 1), sparse(bytes)));
      others.forEach((bytes, index) => session.server.files.set(address(index + 1, 'other'), sparse(bytes)));
      ({ scores: expected } = await succeeds({ source: url, options: { ...cpu, cache: 'none' } }));
      assert.equal(expected.length, 4);
      assert.notDeepEqual((await succeeds({ source: otherUrl, options: { ...cpu, cache: 'none' } })).scores, expected);
    });
    after(() => session?.close());
    beforeEach(() => session.evaluate(async () => (await import(`${location.origin}/browser/loading-page.js`)).forget(), {}));

    /** @param {any} wanted */
    async function attempt(wanted) {
      const start = session.server.requests.length;
      const outcome = await session.evaluate(async (args) => (await import(`${location.origin}/browser/loading-page.js`)).attempt(args), { options: cpu, ...wanted });
      const requests = session.server.requests.slice(start).filter(({ path }) => path.endsWith('.gguf'));
      return { ...outcome, requests: requests.map(({ path }) => path) };
    }

    /** @param {any} wanted */
    async function succeeds(wanted) {
      const outcome = await attempt(wanted);
      assert.equal(outcome.error, undefined, JSON.stringify(outcome.error));
      return outcome;
    }

    /** @param {any} wanted @param {string} code @param {RegExp} message */
    async function refuses(wanted, code, message) {
      const { error } = await attempt(wanted);
      assert.equal(error?.code, code, JSON.stringify(error));
      assert.match(error.message, message);
    }

    test('the address of the first part finds the others; the second load finds them in the store', async () => {
      const first = await succeeds({ source: address(1) });
      assert.deepEqual(first.scores, expected);
      assert.deepEqual([...first.requests].sort(), [1, 2, 3].map((number) => address(number)));
      assert.equal(first.info.bytes, files.reduce((sum, { length }) => sum + length, 0));
      assert.deepEqual(first.stored, files.map(sha256).sort());
      assert.deepEqual(first.events.filter((/** @type {any} */ { type }) => type === 'download').at(-1), { type: 'download', loaded: first.info.bytes, total: first.info.bytes });
      const second = await succeeds({ source: address(1) });
      assert.deepEqual([second.scores, second.requests, second.fromCache], [expected, [], true]);
    });

    test('a list of addresses with their hashes; a list of Files', async () => {
      const source = { url: [1, 2, 3].map((number) => address(number)), sha256: files.map(sha256) };
      assert.deepEqual((await succeeds({ source })).scores, expected);
      assert.deepEqual((await succeeds({ source: source.url, as: 'Files' })).scores, expected);
      await refuses({ source: { ...source, sha256: [...source.sha256].reverse() }, options: { ...cpu, cache: 'none' } }, 'hash-mismatch', /00001-of-00003/);
    });

    test('what is not all of one model in its order', async () => {
      const [one, two, three, other] = [address(1), address(2), address(3), address(3, 'other')];
      for (const as of /** @type {const} */ (['Files', undefined])) {
        const list = (/** @type {string[]} */ ...urls) => ({ source: as === undefined ? { url: urls } : urls, ...(as && { as }), options: { ...cpu, ...(as === undefined && { cache: 'none' }) } });
        await refuses(list(one), 'invalid-model', /has 3 parts .* 1 was given/);
        await refuses(list(one, two), 'invalid-model', /2 were given/);
        await refuses(list(one, three, two), 'invalid-model', /given as part 2 says that it is part 3 of 3/);
        await refuses(list(two, one, three), 'invalid-model', /part 2/);
        await refuses(list(one, two, url), 'invalid-model', /given as part 3 says that it is part 1 of 1/);
        await refuses(list(one, two, other), 'invalid-model', /has the shape/);
      }
    });

    test('a part that is not there', async () => {
      session.server.faults.push({ path: address(2), status: 404, times: 1 });
      await refuses({ source: address(1) }, 'network', /00002-of-00003\.gguf answered with HTTP status 404/);
      assert.deepEqual((await succeeds({ source: address(1) })).scores, expected);
    });

    for (const [name, layout] of Object.entries(layouts)) {
      test(name, async () => {
        session.server.files.set('/made/layout.gguf', layout);
        assert.deepEqual((await succeeds({ source: '/made/layout.gguf' })).scores, expected);
      });
    }

    if (engine === 'chromium') test('a file of 4.3 GB, as a stream', async () => {
      const large = spread(parts, 5, 4.3e9);
      session.server.files.set('/made/large.gguf', large);
      const started = performance.now();
      const { scores, info, events } = await succeeds({ source: '/made/large.gguf', options: { ...cpu, cache: 'none' } });
      assert.deepEqual(scores, expected);
      assert.equal(info.bytes, large.size);
      assert.deepEqual(events.filter((/** @type {any} */ { type }) => type === 'download').at(-1), { type: 'download', loaded: large.size, total: large.size });
      console.log(`  ${large.size} bytes in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    });
  });
}
