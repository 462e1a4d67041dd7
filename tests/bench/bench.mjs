// usage: node tests/bench/bench.mjs [--runs=5] [--repeat=50] [--generate=32] [--deep=0] [--threads=1,2] [--kernels=auto] [--kv=f32,q8_0]
//          [--backends=cpu] [--peers=wllama,native|none] [--model=FILE.gguf]
//
// Prefill (a prompt of about 10 * repeat tokens) and decode, in tokens a second, of pagelm, of wllama in the same headless
// Chromium, and of llama.cpp itself, on the same file with the same numbers of threads. The engines take turns, run by run,
// so that a machine whose speed drifts treats all alike; medians are printed, and ratios. --deep=2000 measures pagelm's decode
// behind a prompt of about that many tokens as well. Nothing else should be running.
// llama.cpp needs the PyPI package xllamacpp in the Python that $PAGELM_PYTHON names, or python3; it is left out without.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { launchChromium } from '../../scripts/browser.mjs';
import { projectRoot, serve } from '../server/serve.mjs';
import { nativePython, openEngine } from './engines.mjs';

const here = import.meta.dirname;
/** @type {Record<string, string>} */
const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.replace(/^--/, '').split('=')));
const { backends = 'cpu', kernels = 'auto', kv = 'auto', threads = '1,2', peers = given.peer ?? 'wllama,native' } = given;
const number = (/** @type {string} */ name, /** @type {number} */ otherwise) => Number(given[name] ?? otherwise);
const [runs, repeat, generate, deep] = [number('runs', 5), number('repeat', 50), number('generate', 32), number('deep', 0)];
const path = resolve(given.model ?? join(projectRoot, 'models/SmolLM2-135M-Instruct.Q4_1.gguf'));

const SENTENCE = 'The quick brown fox jumps over the lazy dog. '; // ten tokens
const SHORT = 'The capital of France is';

if (!existsSync(path)) throw new Error(`${path} is missing; run "make model", or name a file with --model=`);

/** @typedef {import('./engines.mjs').Opened & { name: string, prefill: number[], decode: number[], deep: number[] }} Row */

/** What is measured, pagelm first; peers that are not there are left out with a line. */
function wanted() {
  const list = /** @type {import('./engines.mjs').Wanted[]} */ ([]);
  for (const count of threads.split(',').map(Number)) {
    for (const backend of backends.split(',')) {
      for (const name of backend === 'cpu' ? kernels.split(',') : ['auto']) {
        for (const type of kv.split(',')) list.push({ engine: 'pagelm', backend, kernels: name, kv: type, threads: count });
      }
    }
    for (const engine of peers.split(',').filter(isThere)) list.push({ engine, threads: count });
  }
  return list;
}

/** @param {string} peer */
function isThere(peer) {
  if (peer === 'none') return false;
  try {
    if (peer === 'native') execFileSync(nativePython(), ['-c', 'import xllamacpp'], { stdio: 'ignore' });
    if (peer === 'wllama' && !existsSync(join(here, 'node_modules/@wllama/wllama'))) {
      execFileSync('npm', ['ci', '--prefix', here], { stdio: ['ignore', 'ignore', 'inherit'] });
    }
    return true;
  } catch (error) {
    console.error(`bench: ${peer} is left out: ${peer === 'native' ? `${nativePython()} has no xllamacpp` : error}`);
    return false;
  }
}

/** @param {Row} row @param {boolean} isDeep */
async function measure(row, isDeep) {
  const long = await row.measure(SENTENCE.repeat(repeat), 1);
  row.prefill.push(long.prompt / (long.promptMs / 1000));
  const short = await row.measure(SHORT, generate);
  row.decode.push(short.decoded / (short.decodeMs / 1000));
  if (isDeep) {
    const behind = await row.measure(SENTENCE.repeat(Math.round(deep / 10)), generate);
    row.deep.push(behind.decoded / (behind.decodeMs / 1000));
  }
  return long.prompt;
}

/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
/** @param {number[]} values */
const show = (values) => (values.length === 0 ? '-' : `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)})`);

/** Each engine's speed as a multiple of pagelm's first row with the same threads. @param {Row[]} rows */
function ratios(rows) {
  const count = (/** @type {Row} */ { name }) => name.split(' ').at(-1);
  for (const row of rows.filter(({ name }) => !name.startsWith('pagelm'))) {
    for (const ours of rows.filter((other) => other.name.startsWith('pagelm') && count(other) === count(row))) {
      const over = (/** @type {'prefill' | 'decode'} */ key) => (median(ours[key]) / median(row[key])).toFixed(2);
      console.log(`${ours.name} over ${row.name}: prefill ${over('prefill')} x, decode ${over('decode')} x`);
    }
  }
}

const server = await serve({
  roots: { '/': 'www', '/pkg/': 'pkg', '/models/': dirname(path), '/npm/': join(here, 'node_modules') },
  strict: false, // the peer makes its worker from a Blob
});
const browser = await launchChromium();
/** @type {Row[]} */
const rows = [];
try {
  const context = Math.max(2048, deep + 128);
  for (const one of wanted()) {
    const opened = await openEngine(one, { browser, origin: server.origin, file: basename(path), path, context });
    const name = [one.engine, one.backend === 'cpu' ? '' : one.backend, one.kernels === 'auto' ? '' : one.kernels, one.kv === 'auto' ? '' : one.kv, one.threads].filter(Boolean).join(' ');
    rows.push({ ...opened, name, prefill: [], decode: [], deep: [] });
    await opened.measure('Hello', 2 + 16); // warm up, and let it find its number of threads
  }
  let promptTokens = 0;
  for (let run = 0; run < runs; run++) {
    for (const row of rows) promptTokens = await measure(row, deep > 0 && !row.name.startsWith('wllama'));
  }
  console.log(`${basename(path)}, ${browser.version()}, ${runs} runs, prompt of ${promptTokens} tokens, ${generate} generated`);
  console.log('tokens a second: median (least to most); the last number of an engine\'s name is its threads');
  for (const row of rows) {
    const deepColumn = deep > 0 ? ` decode behind ${deep} ${show(row.deep).padEnd(24)}` : '';
    console.log(`${row.name.padEnd(20)} prefill ${show(row.prefill).padEnd(26)} decode ${show(row.decode).padEnd(26)}${deepColumn} load ${(row.loadMs / 1000).toFixed(2)} s   ${row.what}`);
  }
  ratios(rows);
} finally {
  for (const row of rows) row.close();
  await browser.close();
  await server.close();
}
