// Files that are wrong: each has to give one of the package's errors, soon, with the worker alive to say so.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { build, smallModel } from './gguf.js';
import { bugs, groups } from './malformed.js';
import { tinyModel } from './paths.mjs';

/** @type {{ ERROR_CODES: readonly string[] }} */
const { ERROR_CODES: errorCodes } = await import(new URL('../../pkg/build/errors.js', import.meta.url).href);

/** @typedef {{ name: string, codes?: string[], errors: { code: string, message: string }[], ms: number }} Outcome */

/** What is wrong with an outcome, if anything. @param {Outcome} outcome */
function complaint({ name, codes, errors }) {
  const met = errors.length === 0 ? ['none'] : errors.map(({ code }) => code);
  const said = errors.map(({ code, message }) => `${code}: ${message.slice(0, 200)}`).join('; ') || 'no error';
  if (errors.some(({ code }) => bugs.includes(code) || !errorCodes.includes(code))) return `${name}: ${said}`;
  // what was expected has to be among the errors, and the rest has to follow from it
  if (codes && !met.some((code) => codes.includes(code))) return `${name}: ${said}; expected ${codes.join(' or ')}`;
  return errors.some(({ message }) => message.length < 10) ? `${name}: a message that says nothing: ${said}` : undefined;
}

/** @param {Outcome[]} outcomes @param {number} least */
function assertAll(outcomes, least) {
  assert.ok(outcomes.length >= least, `only ${outcomes.length} cases ran`);
  const complaints = outcomes.map(complaint).filter(Boolean);
  assert.equal(complaints.length, 0, `${complaints.length} of ${outcomes.length}\n${complaints.join('\n')}`);
}

/** What happened, in numbers. @param {string} what @param {Outcome[]} outcomes */
function tally(what, outcomes) {
  /** @type {Record<string, number>} */
  const codes = {};
  for (const { errors } of outcomes) for (const code of new Set(errors.length === 0 ? ['loads'] : errors.map((error) => error.code))) codes[code] = (codes[code] ?? 0) + 1;
  const slowest = outcomes.reduce((a, b) => (a.ms > b.ms ? a : b));
  console.log(`  ${what}: ${Object.entries(codes).map(([code, count]) => `${count} ${code}`).join(', ')}; slowest ${Math.round(slowest.ms)} ms (${slowest.name})`);
}

test('the check of outcomes can fail', () => {
  const ok = { name: 'x', ms: 1, errors: [{ code: 'invalid-gguf', message: 'the file is cut short' }] };
  assert.equal(complaint({ ...ok, codes: ['invalid-gguf'] }), undefined);
  assert.equal(complaint(ok), undefined);
  assert.match(complaint({ ...ok, codes: ['none'] }) ?? '', /expected none/);
  for (const code of ['worker-failed', 'internal', 'timeout', 'not a PagelmError: RuntimeError', 'made-up']) {
    assert.ok(complaint({ ...ok, errors: [{ code, message: 'something happened' }] }), code);
  }
  assert.ok(complaint({ ...ok, errors: [{ code: 'invalid-gguf', message: '' }] }));
  assert.throws(() => assertAll([], 1), /only 0 cases ran/);
});

const headerOf = (/** @type {Uint8Array} */ bytes) => bytes.length - smallModel().tensors.reduce((sum, { data }) => sum + Math.ceil(data.length / 32) * 32, 0);
const { url: tinyUrl } = tinyModel('llama-bpe-q4_0-ropefreqs-tied');

// a worker for each case costs a tenth of a second or more, in Firefox twice that: there, a part has to do
for (const { engine, flips, every } of /** @type {const} */ ([{ engine: 'chromium', flips: 100, every: 1 }, { engine: 'firefox', flips: 20, every: 4 }])) {
  describe(`malformed files in ${engine}`, { skip: missing(engine), timeout: 1_200_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */
    let session;
    before(async () => { session = await open({ engine }); });
    after(() => session?.close());

    for (const group of Object.keys(groups)) {
      test(group, async () => {
        const outcomes = await session.evaluate(async (args) => (await import(`${location.origin}/browser/malformed-page.js`)).runGroup(args), { group, every });
        tally(group, outcomes);
        assertAll(outcomes, Math.ceil(groups[group]().length / every));
      });
    }

    for (const [what, flip] of Object.entries({
      'the small model': { headerEnd: headerOf(build(smallModel())), seed: 11, count: flips },
      'a quantised model': { headerEnd: 20_000, seed: 12, count: flips, url: tinyUrl },
    })) {
      test(`one byte changed in ${what}, ${flip.count} times`, async () => {
        const outcomes = await session.evaluate(async (args) => (await import(`${location.origin}/browser/malformed-page.js`)).runFlips(args), flip);
        tally(`one byte changed in ${what}`, outcomes);
        assertAll(outcomes, flip.count);
      });
    }

    test('a file that claims much gets no memory for it', async () => {
      for (const group of ['absurd counts', 'metadata', 'tensors', 'cut short']) {
        const outcomes = await session.evaluate(async (args) => (await import(`${location.origin}/browser/malformed-page.js`)).memoryOf(args), { group });
        assert.ok(outcomes.length > 0);
        const most = Math.max(...outcomes.map((/** @type {any} */ { grown }) => grown));
        assert.ok(Number.isFinite(most) && most <= 64 * 2 ** 20, `${group}: the memory grew by ${most} bytes`);
      }
    });
  });
}
