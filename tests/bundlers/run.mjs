// Builds the app with each bundler from what `npm pack` gives, and drives it in a browser.
//   node tests/bundlers/run.mjs [--quick] [NAMES...]     all rows of rows.mjs without any
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { missing, open } from '../browser/browsers.mjs';
import { checkTokens, filesBelow, installPackage } from './app.mjs';
import { rows } from './rows.mjs';

/** What hosts of static files take at most, in bytes a file. */
const LARGEST_FILE = 25 * 1024 * 1024;

const names = process.argv.slice(2).filter((name) => name !== '--quick');
const unknown = names.filter((name) => !rows.some((row) => row.name === name));
if (unknown.length > 0) throw new Error(`there is no row ${unknown.join(', ')}; there are ${rows.map(({ name }) => name).join(', ')}`);
const isQuick = process.argv.includes('--quick');
const wanted = rows.filter(({ name, quick }) => (names.length > 0 ? names.includes(name) : quick || !isQuick));

/** @type {string[][]} */
const table = [];

before(() => { installPackage(); });
after(() => { for (const line of table) console.log(line.join(' | ')); });

for (const row of wanted) {
  test(row.name, { timeout: 300_000 }, async () => {
    const began = performance.now();
    const built = await row.build();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const files = measured(built.folder);
    try {
      for (const engine of enginesOf(row)) {
        const { answer, requests } = await answerOf(row, built, engine);
        check(row, answer, requests);
        table.push([row.name, engine, `built in ${seconds} s`, files, (row.check ?? checkTokens)(answer)]);
      }
    } finally {
      await built.close?.();
    }
  });
}

/** @param {import('./rows.mjs').Row} row @returns {import('../browser/browsers.mjs').EngineName[]} */
const enginesOf = ({ firefox }) => (firefox && !missing('firefox') ? ['chromium', 'firefox'] : ['chromium']);

/** Fails above the limit. @param {string | undefined} folder */
function measured(folder) {
  if (folder === undefined) return 'served from memory';
  const files = filesBelow(folder);
  assert.ok(files.some(({ path }) => path.endsWith('.wasm')), 'no .wasm file was built');
  for (const { path, bytes } of files) assert.ok(bytes <= LARGEST_FILE, `${path} has ${bytes} bytes, ${LARGEST_FILE} are allowed`);
  return `${files.length} files, the largest ${Math.max(...files.map(({ bytes }) => bytes))} bytes`;
}

/**
 * @param {import('./rows.mjs').Row} row @param {import('./rows.mjs').Built} built
 * @param {import('../browser/browsers.mjs').EngineName} engine
 */
async function answerOf(row, built, engine) {
  // a framework runs the app some time after the page has loaded: that of Next.js in an effect
  const ask = async () => {
    for (let tries = 0; !('done' in globalThis) && tries < 1000; tries += 1) await new Promise((resolve) => { setTimeout(resolve, 50); });
    return /** @type {any} */ (globalThis).done ?? { error: 'the app has not begun' };
  };
  if (built.browser) {
    const page = await built.browser();
    try {
      return { answer: await page.evaluate(ask, {}), requests: undefined };
    } finally {
      await page.close();
    }
  }
  const session = await open({ engine, isolated: false, serves: built.serves, path: built.path ?? (built.serves && '/index.html'), policy: built.policy ?? row.policy });
  try {
    if (built.url) await session.goto(built.url);
    return { answer: await session.evaluate(ask, {}), requests: built.serves && session.server.requests };
  } finally {
    await session.close();
  }
}

/** @param {import('./rows.mjs').Row} row @param {any} answer @param {import('../server/serve.mjs').LoggedRequest[] | undefined} requests */
function check(row, answer, requests) {
  assert.equal(answer?.error, undefined, answer?.error);
  assert.deepEqual(answer?.violations, row.violations ?? []);
  if (requests) {
    const wasm = new Set(requests.filter(({ path }) => path.endsWith('.wasm')).map(({ path }) => path));
    // a build of the engine, and what holds an answer to a grammar
    assert.equal(wasm.size, 2, `wasm files requested: ${[...wasm].join(', ')}`);
  }
}
