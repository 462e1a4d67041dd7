// usage: node tests/bench/bench.mjs [--runs=5] [--repeat=50] [--generate=32] [--backends=cpu] [--peer=wllama|none] [--model=FILE.gguf]
//
// Prefill (a prompt of about 10 * repeat tokens) and decode, in tokens a second, of pagelm and of wllama on the same
// file in the same headless Chromium, one thread each. The engines take turns, run by run, so that a machine whose speed
// drifts treats both alike; medians are printed, and the ratio. Nothing else should be running.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { launchChromium } from '../../scripts/browser.mjs';
import { projectRoot, serve } from '../server/serve.mjs';

const here = import.meta.dirname;
const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, '').split('=')));
const { runs = 5, repeat = 50, generate = 32, backends = 'cpu', peer = 'wllama' } = options;
const model = resolve(options.model ?? join(projectRoot, 'models/SmolLM2-135M-Instruct.Q4_1.gguf'));

const LONG = 'The quick brown fox jumps over the lazy dog. '.repeat(Number(repeat));
const SHORT = 'The capital of France is';

if (!existsSync(model)) throw new Error(`${model} is missing; run "make model", or name a file with --model=`);
if (peer === 'wllama' && !existsSync(join(here, 'node_modules/@wllama/wllama'))) {
  console.error('bench: npm ci in tests/bench/ (the peer)');
  execFileSync('npm', ['ci', '--prefix', here], { stdio: ['ignore', 'ignore', 'inherit'] });
}

const server = await serve({
  roots: { '/': 'www', '/pkg/': 'pkg', '/models/': dirname(model), '/npm/': join(here, 'node_modules') },
  strict: false, // the peer makes its worker from a Blob
});
const browser = await launchChromium();

/** Opens a page and loads the model in it; `engine` is pagelm on a backend, or the peer. */
async function open(engine) {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/blank.html`);
  const setup = engine === 'wllama' ? openPeer : openPagelm;
  const info = await page.evaluate(setup, { file: basename(model), backend: engine.split(' ')[1] });
  await page.evaluate(() => window.measure('Hello', 2)); // warm up
  return { engine, page, info };
}

async function openPagelm({ file, backend }) {
  const { load } = await import('/pkg/dist/index.js');
  const start = performance.now();
  const model = await load(`/models/${file}`, { backend, cache: 'none', threads: 1 });
  const loadMs = performance.now() - start;
  let turn = 0;
  window.measure = async (prompt, maxTokens) => {
    // a different first word each time: nothing of the prompt may come from the cache of the turn before
    const text = `${['One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven'][turn++ % 7]}. ${prompt}`;
    const { timings } = await model.generate(text, { maxTokens, temperature: 0, ignoreEos: true }).result();
    return { prompt: timings.promptTokens - timings.cachedTokens, promptMs: timings.promptMs,
             decoded: timings.generatedTokens - 1, decodeMs: timings.generateMs };
  };
  return { loadMs, backend: model.info.backend, device: model.info.device, reason: model.info.backendReason };
}

async function openPeer({ file }) {
  const { Wllama } = await import('/npm/@wllama/wllama/esm/index.js');
  const engine = new Wllama({ default: '/npm/@wllama/wllama/esm/wasm/wllama.wasm' }, { suppressNativeLog: true });
  const blob = await (await fetch(`/models/${file}`)).blob();
  const start = performance.now();
  await engine.loadModel([blob], { n_ctx: 2048, n_threads: 1, n_gpu_layers: 0 });
  const loadMs = performance.now() - start;
  window.measure = async (prompt, maxTokens) => {
    let timings;
    const stream = await engine.createCompletion({ prompt, max_tokens: maxTokens, temperature: 0, top_k: 1,
      stream: true, ignore_eos: true, cache_prompt: false, timings_per_token: true });
    for await (const chunk of stream) timings = chunk.timings ?? timings;
    return { prompt: timings.prompt_n, promptMs: timings.prompt_ms,
             decoded: timings.predicted_n, decodeMs: timings.predicted_ms };
  };
  return { loadMs, threads: engine.getNumThreads() };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const show = (values) =>
  `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)})`;

try {
  const names = [...backends.split(',').map((b) => `pagelm ${b}`), ...(peer === 'none' ? [] : [peer])];
  const engines = [];
  for (const name of names) engines.push({ ...(await open(name)), prefill: [], decode: [] });
  let promptTokens;
  for (let run = 0; run < Number(runs); run++) {
    for (const e of engines) {
      const long = await e.page.evaluate(([p]) => window.measure(p, 1), [LONG]);
      promptTokens = long.prompt;
      e.prefill.push(long.prompt / (long.promptMs / 1000));
      const short = await e.page.evaluate(([p, n]) => window.measure(p, n), [SHORT, Number(generate)]);
      e.decode.push(short.decoded / (short.decodeMs / 1000));
    }
  }
  console.log(`${basename(model)}, ${browser.version()}, ${runs} runs, prompt of ${promptTokens} tokens, ${generate} generated`);
  console.log('tokens a second, one thread: median (least to most)');
  for (const e of engines) {
    console.log(`${e.engine.padEnd(14)} prefill ${show(e.prefill).padEnd(26)} decode ${show(e.decode).padEnd(26)} load ${(e.info.loadMs / 1000).toFixed(2)} s`);
  }
  const last = engines.at(-1);
  if (last.engine === 'wllama') {
    for (const e of engines.slice(0, -1)) {
      const ratio = (key) => (median(e[key]) / median(last[key])).toFixed(1);
      console.log(`${e.engine} over wllama: prefill ${ratio('prefill')} x, decode ${ratio('decode')} x`);
    }
  }
} finally {
  await browser.close();
  await server.close();
}
