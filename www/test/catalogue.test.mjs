// Every model of the catalogue as a file of the shape that was published, with its whole header and no weights, behind a mirror of the
// hub: it is found at the address of its row, has the size that the row says, the engine knows it, and the row's mark is no promise
// that the engine breaks. What only the hub itself can tell is not tested: that the repositories are there and the files in them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { projectRoot, serve } from '../../tests/server/serve.mjs';
import { shapes } from '../../tests/shapes/shapes.mjs';
import { sparseFile } from '../../tests/shapes/write.mjs';
import { openSite } from './open.mjs';

/** @type {import('../library.js').Family[]} */
const families = JSON.parse(readFileSync(join(projectRoot, 'www/models.json'), 'utf8'));
const rows = families.flatMap(({ files }) => files);
/** Sizes of the list are rounded to three digits, and tokens of the shapes are about as long as those of the models. */
const tolerance = 0.01;

/** @param {string} name */
const shapeOf = (name) => Object.keys(shapes).find((key) => shapes[key].title.startsWith(name));

/** What is wrong with a row. @param {import('../library.js').CatalogueFile} row @param {any} found  by the engine */
function faultsOf({ quantisation, bytes }, found) {
  if (found.error) return [`${found.error.code}: ${found.error.message}`];
  const faults = [];
  const off = bytes / found.bytes - 1;
  if (!(Math.abs(off) <= tolerance)) faults.push(`its size is off by ${(100 * off).toFixed(1)} %`);
  if (found.quantisation !== quantisation) faults.push(`it is ${found.quantisation}`);
  if (found.tokenizerError) faults.push(found.tokenizerError);
  if (found.verdict === 'fits' && !found.fits) faults.push(`it is marked as one that fits, and ${found.reason}`);
  if (found.verdict === 'too-large' && found.fits) faults.push('it is marked as too large, and fits');
  return faults;
}

describe('the catalogue', () => {
  /** @type {import('./open.mjs').Site} */ let site;
  /** @type {import('./open.mjs').Page} */ let page;
  /** @type {import('../../tests/server/serve.mjs').Server} */ let hub;
  /** @type {Map<string, any>} by the addresses of rows */
  const seen = new Map();

  before(async () => {
    site = await openSite();
    hub = await serve({ roots: { '/hub/': 'models' }, isolated: false, strict: false });
    hub.faults.push({ path: /./, headers: { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'Content-Range, ETag' } });
    page = await (await site.browser.newContext({ serviceWorkers: 'block' })).newPage();
    await page.goto(site.server.origin);
  });
  after(async () => {
    await site?.close();
    await hub?.close();
  });

  /** @param {import('../library.js').CatalogueFile} row */
  async function look({ name, quantisation, bytes, source }) {
    const shape = shapeOf(name);
    assert.ok(shape, `tests/shapes has no ${name}`);
    const [, repository, file] = /^hf:([^/]+\/[^/]+)\/(.+)$/.exec(source) ?? [];
    const path = `/hub/${repository}/resolve/main/${file}`;
    hub.files.set(path, sparseFile(shape, quantisation));
    const found = await page.evaluate(async ({ source, baseUrl, bytes }) => {
      const [{ inspect }, { fitOf, thisDevice }] = await Promise.all(['/pagelm.js', '/fit.js'].map((module) => import(module)));
      const { verdict } = fitOf(bytes, await thisDevice());
      return inspect(source, { hub: { baseUrl } }).then(
        (/** @type {any} */ it) => ({ bytes: it.bytes, quantisation: it.quantisation, architecture: it.architecture, tokenizerError: it.tokenizerError, fits: it.fits, reason: it.reason, verdict }),
        (/** @type {any} */ { code, message }) => ({ error: { code, message } }));
    }, { source, baseUrl: `${hub.origin}/hub`, bytes });
    hub.files.delete(path);
    seen.set(source, found);
    return found;
  }

  for (const row of rows) {
    test(`${row.name} ${row.quantisation}`, async (t) => {
      const found = await look(row);
      t.diagnostic(`${found.architecture}, ${found.bytes} bytes, marked "${found.verdict}", ${found.fits ? 'fits' : 'does not fit'} here`);
      assert.deepEqual(faultsOf(row, found), []);
    });
  }

  test('wrong rows are noticed', () => {
    const [row] = rows;
    const found = seen.get(row.source);
    assert.deepEqual(faultsOf(row, found), []);
    const change = { bytes: row.bytes * 1.02, quantisation: 'Q8_0' };
    for (const key of /** @type {const} */ (['bytes', 'quantisation'])) assert.equal(faultsOf({ ...row, [key]: change[key] }, found).length, 1, key);
    assert.equal(faultsOf(row, { ...found, fits: false, reason: 'it does not' }).length, 1);
    assert.equal(faultsOf(row, { error: { code: 'network', message: '404' } }).length, 1);
  });
});
