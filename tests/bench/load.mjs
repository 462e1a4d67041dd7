// usage: node tests/bench/load.mjs [--model=FILE.gguf] [--runs=5] [--browsers=chromium,firefox] [--threads=1,2] [--kernels=auto] [--pkg=pkg] [--fresh]
//
// How long a model that the store has takes from `load()` to ready, beside the time of reading its file: the same worker
// calls (a synchronous access handle, pieces of 4 MiB into one buffer) and nothing else. In turn, run by run, medians. `worker`
// is what the engine's worker counts, from the page's request to the answer: without starting that worker and its modules.
// Then the way to the first token by its parts, as the benchmark page has them: the package's clocks for compiling, reading and
// uploading, what is left of loading as opening, and a prompt of 16 tokens. --fresh: each in a page that was just opened, which has
// no engine yet; otherwise a page compiles it once.
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { open, roots } from '../browser/browsers.mjs';
import { projectRoot } from '../server/serve.mjs';

/** @type {Record<string, string>} */
const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.replace(/^--/, '').split('=')));
const { browsers = 'chromium,firefox', threads = '1,2', kernels = 'auto', pkg = 'pkg' } = given;
const runs = Number(given.runs ?? 5);
const path = resolve(given.model ?? join(projectRoot, 'models/SmolLM2-135M-Instruct.Q4_1.gguf'));
if (!existsSync(path)) throw new Error(`${path} is missing; run "make model", or name a file with --model=`);

/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
/** @param {number[]} values */
const show = (values) => `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)})`.padEnd(20);

const parts = /** @type {const} */ (['open', 'compile', 'read', 'upload', 'prompt']);
/** @typedef {Record<typeof parts[number], number>} Parts */
/** @typedef {{ read: number[], load: number[], worker: number[], parts: Parts[], what: string }} Measured  milliseconds */

/** @param {import('../browser/browsers.mjs').Session} session @param {string} count @returns {Promise<Measured>} */
async function measure(session, count) {
  const url = `/models/${basename(path)}`;
  const measured = /** @type {Measured} */ ({ read: [], load: [], worker: [], parts: [], what: '' });
  for (let run = -1; run < runs; run += 1) {
    const read = await session.evaluate(readAll, {});
    if ('fresh' in given) await session.goto(`${session.origin}/blank.html?${run}`);
    const loaded = await session.evaluate(loadOnce, { url, threads: Number(count), kernels });
    if (!loaded.fromCache) throw new Error('it was not loaded from the store');
    measured.what = loaded.what;
    if (run < 0) continue; // the first one compiles
    measured.read.push(read.ms);
    measured.load.push(loaded.ms);
    measured.worker.push(loaded.workerMs);
    measured.parts.push(loaded.parts);
  }
  return measured;
}

/** In the page: reads the one stored model. */
async function readAll() {
  const worker = new Worker('/bench/read-worker.js', { type: 'module' });
  try {
    return await /** @type {Promise<{ ms: number, bytes: number }>} */ (new Promise((done, failed) => {
      worker.onmessage = ({ data }) => (data.error ? failed(new Error(data.error)) : done(data));
      worker.onerror = ({ message }) => failed(new Error(message));
    }));
  } finally {
    worker.terminate();
  }
}

/** In the page. @param {any} wanted */
async function loadOnce({ url, threads, kernels }) {
  const { load } = await import(/** @type {any} */ ('/pkg/dist/index.js'));
  let ready = /** @type {any} */ (undefined);
  const start = performance.now();
  const model = await load(url, {
    backend: 'cpu', cache: 'opfs', threads, ...(kernels !== 'auto' && { kernels }),
    onProgress: (/** @type {any} */ event) => { if (event.type === 'ready') ready = event; },
  });
  const ms = performance.now() - start;
  const { timings } = await model.generate(Array.from({ length: 16 }, (_, i) => 100 + i), { maxTokens: 1, ignoreEos: true }).result();
  await model.close();
  const { compileMs: compile, readMs: read, uploadMs: upload } = ready.timings;
  const parts = { open: ms - compile - read - upload, compile, read, upload, prompt: timings.promptMs };
  return { ms, parts, workerMs: ready.loadMs, fromCache: ready.fromCache, what: `${model.info.kernels}, ${model.info.threads}` };
}

console.log(`${basename(path)}, ${runs} runs; milliseconds: median (least to most)`);
for (const engine of browsers.split(',')) {
  const session = await open({
    engine: /** @type {import('../browser/browsers.mjs').EngineName} */ (engine),
    serves: { ...roots, '/pkg/': pkg, '/models/': dirname(path), '/bench/': 'tests/bench' },
  });
  try {
    await session.evaluate(loadOnce, { url: `/models/${basename(path)}`, threads: 1, kernels: 'auto' }); // stores it
    for (const count of threads.split(',')) {
      const { read, load, worker, parts: ways, what } = await measure(session, count);
      console.log(`${engine.padEnd(9)} ${what.padEnd(16)} read ${show(read)} load ${show(load)} ${(median(load) / median(read)).toFixed(2)} x   worker ${show(worker)} ${(median(worker) / median(read)).toFixed(2)} x`);
      const whole = ways.map((way) => parts.reduce((sum, part) => sum + way[part], 0));
      console.log(`  first token ${show(whole)} ${parts.map((part) => `${part} ${show(ways.map((way) => way[part])).trim()}`).join(', ')}`);
    }
  } finally {
    await session.close();
  }
}
