// Injected faults x outcome, each in a browser: a load survives it or fails with a clear error, and whatever came of it the
// next load is whole, nothing stored is wrong, and what was downloaded is not downloaded again.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { serve } from '../server/serve.mjs';
import { missing, open, roots } from './browsers.mjs';
import { network, quota, storage } from './delivery-faults.mjs';
import { tinyModel } from './paths.mjs';
import { bytesOf, read, spread } from './reshape.js';

/** @typedef {import('./delivery-faults.mjs').Row} Row */

// three ranges of 4 MiB at most
const model = spread(read(readFileSync(tinyModel('llama-bpe-q4_0-ropefreqs-tied').file)), 5, 10 * 2 ** 20);
const sha256 = createHash('sha256').update(bytesOf(model, 0, model.size)).digest('hex');
const wrong = sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
const path = '/made/m.gguf';
const corsHeaders = {
  all: { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'Content-Range, ETag, Content-Encoding' },
  open: { 'access-control-allow-origin': '*' },
  hidden: {},
};

for (const engine of /** @type {const} */ (['chromium', 'firefox', 'webkit'])) {
  describe(`delivery in ${engine}`, { skip: missing(engine), timeout: 600_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */ let session;
    /** @type {import('../server/serve.mjs').Server} */ let other;
    /** @type {number[]} */ let expected;
    /** @type {string[]} */ const table = [];

    before(async () => {
      session = await open({ engine, strict: false });
      other = await serve({ roots, isolated: false, strict: false });
      for (const server of [session.server, other]) for (const name of [path, '/made/elsewhere.gguf']) server.files.set(name, { ...model, etag: '"m"' });
      const plain = await page('attempt', { source: path, options: { backend: 'cpu', cache: 'none' } });
      assert.equal(plain.error, undefined, JSON.stringify(plain.error));
      expected = plain.scores;
      assert.ok(expected.length === 4 && expected.every((score) => Number.isFinite(score) && score < 0));
    });
    after(async () => {
      console.log(`\n  ${engine}: fault, outcome, requests, bytes of the load and of the next one\n${table.map((line) => `  ${line}`).join('\n')}\n  ${table.length} faults\n`);
      await session?.close();
      await other?.close();
    });
    beforeEach(async () => {
      for (const server of [session.server, other]) server.faults.length = 0;
      await session.goto(`${session.origin}/blank.html?${Math.random()}`);
      await session.evaluate(async () => (await import(`${location.origin}/browser/loading-page.js`)).forget(), {});
    });

    /** @param {string} name @param {any} args */
    const page = (name, args) => session.evaluate(async ({ name, args }) => {
      const functions = { ...await import(`${location.origin}/browser/loading-page.js`), ...await import(`${location.origin}/browser/delivery-page.js`) };
      return functions[name](args);
    }, { name, args });

    /** What is sent while `job` runs. @template T @param {() => Promise<T>} job */
    async function counted(job) {
      const marks = [session.server, other].map(({ requests }) => requests.length);
      const outcome = await job();
      const made = [session.server, other].flatMap(({ requests }, index) => requests.slice(marks[index])).filter(({ path: asked }) => asked.endsWith('.gguf'));
      return { outcome, requests: made.length, bytes: made.reduce((sum, { bytes }) => sum + bytes, 0) };
    }

    /** @param {Row} row @returns {Promise<{ error?: { code: string, message: string }, scores?: number[] }>} */
    async function run(row) {
      const wanted = wantedBy(row);
      switch (row.act) {
        case 'damage': {
          if (row.damage === 'log' || row.damage === 'part') await page('abortAt', { ...wanted, bytes: 9e6 });
          else await page('attempt', wanted);
          await page('damage', { how: row.damage });
          return page('attempt', wanted);
        }
        case 'abort':
          return page('abortAt', { ...wanted, bytes: 3e6 });
        case 'close':
          await page('begin', { ...wanted, bytes: 5e6 });
          // the journal is brought up to date once a second
          await new Promise((resolve) => { setTimeout(resolve, 1200); });
          await session.goto(`${session.origin}/blank.html?after`);
          return { error: { code: 'gone', message: '' } };
        case 'twice': {
          const [one, two] = await page('twice', wanted);
          assert.deepEqual(two.scores, expected, JSON.stringify(two.error));
          return one;
        }
        case 'locked':
          return page('whileLocked', wanted);
        default:
          return page('attempt', wanted);
      }
    }

    /** @param {Row} row */
    function wantedBy({ source, sha256: hash, download, cors, cache }) {
      const url = source ?? (cors === undefined ? path : other.origin + path);
      const hashes = { given: sha256, wrong };
      const asked = engine !== 'webkit' && cache !== false && !url.startsWith('/index') ? { cache: 'opfs' } : {};
      return { source: hash === undefined ? url : { url, sha256: hashes[hash] }, options: { backend: 'cpu', ...asked, ...(download && { download }) } };
    }

    /** @param {Row} row */
    function inject({ faults = [], cors }) {
      for (const server of [session.server, other]) server.faults.length = 0;
      if (cors) other.faults.push({ path: /./, headers: corsHeaders[cors] });
      for (const fault of faults) {
        const headers = fault.headers && Object.fromEntries(Object.entries(fault.headers).map(([name, value]) => [name, value === 'HASH' ? `"${sha256}"` : value]));
        session.server.faults.push({ ...fault, path, ...(headers && { headers }) });
      }
    }

    /** @param {Row} row */
    async function check(row) {
      if (row.act === 'locked') await page('attempt', wantedBy(row));
      inject(row);
      const first = await counted(() => run(row));
      const { error, scores } = first.outcome;
      const code = error === undefined ? 'loads' : error.code;
      assert.equal(code, row.outcome, error?.message);
      if (error === undefined) assert.deepEqual(scores, expected);
      if (row.message) assert.match(error?.message ?? '', row.message);
      if (row.requests !== undefined) assert.equal(first.requests, row.requests, 'requests');
      const next = await afterwards(row);
      table.push([row.name, code, first.requests, first.bytes, next].join(' | '));
    }

    /** That the next load is whole, and what is stored, too. @param {Row} row */
    async function afterwards(row) {
      session.server.faults.length = 0;
      const stored = await page('inventory', {});
      assert.deepEqual(stored?.wrong ?? [], []);
      if (row.outcome === 'hash-mismatch') assert.deepEqual(stored && [stored.files, stored.rest], stored && [0, []]);
      const { source, options } = wantedBy({ ...row, source: undefined, cors: undefined, sha256: undefined, download: undefined });
      const next = await counted(() => page('attempt', { source, options }));
      assert.equal(next.outcome.error, undefined, JSON.stringify(next.outcome.error));
      assert.deepEqual(next.outcome.scores, expected);
      if (row.atMost !== undefined && engine !== 'webkit') assert.ok(next.bytes <= row.atMost, `the next load fetched ${next.bytes} bytes`);
      if (row.atLeast !== undefined) assert.ok(next.bytes >= row.atLeast, `the next load fetched ${next.bytes} bytes only`);
      const then = await page('inventory', {});
      if (then !== null && options.cache === 'opfs') assert.deepEqual(then, { files: 1, wrong: [], rest: [] });
      return next.bytes;
    }

    // all in Chromium; in Firefox every other fault of the network and all of storage; WebKit has no storage
    const every = { chromium: 1, firefox: 2, webkit: 4 }[engine];
    const rows = [...network.filter((_, index) => index % every === 0), ...(engine === 'webkit' ? [] : storage)];
    for (const row of rows) test(row.name, () => check(row));

    test('an unfinished download is told of, and discarded', { skip: engine === 'webkit' }, async () => {
      inject({ name: 'x', faults: [{ delayMs: 50 }], outcome: 'aborted' });
      await page('abortAt', { ...wantedBy({ name: 'x', outcome: 'aborted' }), bytes: 3e6 });
      const { before, after } = await page('discardOne', {});
      assert.deepEqual([before.length, after.length], [1, 0]);
      const { source, bytes, total, isActive } = before[0];
      assert.deepEqual([source, total, isActive], [session.origin + path, model.size, false]);
      assert.ok(bytes >= 3e6 && bytes < total, `${bytes} of ${total} bytes`);
      assert.deepEqual(await page('inventory', {}), { files: 0, wrong: [], rest: [] });
    });

    test('the check of outcomes can fail', async () => {
      await assert.rejects(check({ name: 'x', faults: [{ status: 404 }], outcome: 'loads' }));
      await assert.rejects(check({ name: 'x', outcome: 'network' }));
      await assert.rejects(check({ name: 'x', outcome: 'loads', requests: 99 }));
      table.splice(rows.length);
    });
  });
}

for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  describe(`a full disk in ${engine}`, { skip: missing(engine), timeout: 120_000 }, () => {
    for (const { name, outcome, message, cache } of quota) {
      test(name, async (t) => {
        const session = await open({ engine, strict: false, quota: 5_000_000 });
        t.after(() => session.close());
        session.server.files.set(path, { ...model, etag: '"m"' });
        const options = { backend: 'cpu', ...(cache !== false && { cache: 'opfs' }) };
        const { error, logits } = await session.evaluate(async (args) => (await import(`${location.origin}/browser/loading-page.js`)).attempt(args), { source: path, options });
        assert.equal(error?.code ?? 'loads', outcome, error?.message);
        if (message) assert.match(error.message, message);
        else assert.equal(logits, 384);
        console.log(`  ${engine}: ${name}: ${error?.code ?? 'loads'}: ${error?.message ?? ''}`);
        const { wrong, files } = await session.evaluate(async () => (await import(`${location.origin}/browser/delivery-page.js`)).inventory(), {});
        assert.deepEqual([wrong, files], [[], 0]);
      });
    }
  });
}
