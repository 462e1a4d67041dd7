// usage: node tests/bench/onnxruntime.mjs [--browsers=chromium,firefox] [--runs=3] [--prompts=33,128] [--generate=8]
//          [--model=FILE.gguf] [--onnx=FOLDER] [--question=TEXT]
//
// Prefill and decode on WebGPU, in tokens a second, of pagelm and of onnxruntime-web, which transformers.js runs on, in turn in one
// page and on one adapter. The ONNX model comes of the same GGUF file: onnx_from_gguf.py says how, and is run when the folder is not
// there, by the Python that $PAGELM_PYTHON names, or python3. Both engines get the same token ids and keep keys and values on the
// GPU. A prefill is a whole call for one token, by the page's clock. A decode is what a call for `generate` tokens takes beyond its
// prompt, whose time pagelm tells and onnxruntime-web's loop takes: all tokens but the first. A warm-up of the same sizes, which
// compiles the shaders, comes first. Nothing else should be running.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { open, roots } from '../browser/browsers.mjs';
import { projectRoot } from '../server/serve.mjs';
import { nativePython } from './engines.mjs';

const here = import.meta.dirname;
/** @type {Record<string, string>} */
const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.replace(/^--/, '').split('=')));
const { browsers = 'chromium,firefox', prompts = '33,128' } = given;
const [runs, generate] = [Number(given.runs ?? 3), Number(given.generate ?? 8)];
const path = resolve(given.model ?? join(projectRoot, 'models/SmolLM2-135M-Instruct.Q4_1.gguf'));
const onnx = resolve(given.onnx ?? path.replace(/\.gguf$/, '.onnx'));
const lengths = prompts.split(',').map(Number);

const SENTENCE = 'The quick brown fox jumps over the lazy dog. '; // ten tokens
const SHORT = 'The capital of France is';
const QUESTION = given.question ?? '<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n';
const ENGINES = ['pagelm', 'onnxruntime-web'];

/** @typedef {{ tokens: number[], firstMs: number, restMs: number }} Answer  up to the first token, and from there on */

if (!existsSync(path)) throw new Error(`${path} is missing; run "make model", or name a file with --model=`);
if (!existsSync(join(here, 'node_modules/onnxruntime-web'))) execFileSync('npm', ['ci', '--prefix', here], { stdio: ['ignore', 2, 2] });
if (!existsSync(join(onnx, 'model.onnx'))) {
  execFileSync(nativePython(), [join(here, 'onnx_from_gguf.py'), path, onnx], { stdio: ['ignore', 2, 2] });
}

/** In the page: both engines. @param {any} wanted */
async function openEngines({ gguf, context, layers, heads, width }) {
  const { load } = await import(/** @type {any} */ ('/pkg/dist/index.js'));
  const model = await load(gguf, { backend: 'webgpu', cache: 'none', threads: 1, contextLength: context });

  const ort = await import(/** @type {any} */ ('/npm/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs'));
  ort.env.wasm.wasmPaths = '/npm/onnxruntime-web/dist/';
  ort.env.wasm.numThreads = 1; // its work is on the GPU, too
  const caches = Array.from({ length: layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();
  const session = await ort.InferenceSession.create('/onnx/model.onnx', {
    executionProviders: ['webgpu'],
    externalData: [{ path: 'model.onnx.data', data: '/onnx/model.onnx.data' }],
    preferredOutputLocation: Object.fromEntries(caches.map((name) => [`present.${name}`, 'gpu-buffer'])),
  });
  const row = (/** @type {number[]} */ values) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);

  /** @param {number[]} prompt @param {number} count @returns {Promise<Answer>} */
  const askPagelm = async (prompt, count) => {
    const start = performance.now();
    const { tokens, timings } = await model.generate(prompt, { maxTokens: count, temperature: 0, ignoreEos: true }).result();
    if (timings.cachedTokens > 0) throw new Error(`${timings.cachedTokens} tokens of the prompt were known`);
    return { tokens, firstMs: timings.promptMs, restMs: performance.now() - start - timings.promptMs };
  };

  /** @param {number[]} prompt @param {number} count @returns {Promise<Answer>} */
  const askOnnxruntime = async (prompt, count) => {
    const start = performance.now();
    let firstMs = 0;
    const tokens = /** @type {number[]} */ ([]);
    let past = Object.fromEntries(caches.map((name) => [name, new ort.Tensor('float32', [], [1, heads, 0, width])]));
    while (tokens.length < count) {
      const feeds = Object.fromEntries(caches.map((name) => [`past_key_values.${name}`, past[name]]));
      feeds.input_ids = row(tokens.length === 0 ? prompt : tokens.slice(-1));
      feeds.attention_mask = row(new Array(prompt.length + tokens.length).fill(1));
      const out = await session.run(feeds);
      for (const tensor of Object.values(past)) tensor.dispose();
      past = Object.fromEntries(caches.map((name) => [name, out[`present.${name}`]]));
      const logits = out.logits.data; // (vocabulary), of the last position
      let best = 0;
      for (let id = 1; id < logits.length; id += 1) if (logits[id] > logits[best]) best = id;
      if (tokens.push(best) === 1) firstMs = performance.now() - start;
    }
    for (const tensor of Object.values(past)) tensor.dispose();
    return { tokens, firstMs, restMs: performance.now() - start - firstMs };
  };

  Object.assign(window, { model, ask: { pagelm: askPagelm, 'onnxruntime-web': askOnnxruntime } });
  const info = (await navigator.gpu.requestAdapter())?.info;
  return { adapter: `${info?.vendor} ${info?.architecture} ${info?.description}`.trim(), version: ort.env.versions.web };
}

/** In the page. @param {{ engine: string, prompt: number[], count: number }} asked @returns {Promise<Answer>} */
const ask = ({ engine, prompt, count }) => /** @type {any} */ (window).ask[engine](prompt, count);

/** In the page. @param {string} text @returns {Promise<number[]>} */
const tokenize = (text) => /** @type {any} */ (window).model.tokenize(text);

/** In the page, without the token that begins each text of some models: it would be known. @param {string} text @returns {Promise<number[]>} */
const tokenizeAlone = (text) => /** @type {any} */ (window).model.tokenize(text, { addSpecial: false });

/** In the page. @param {number[]} tokens @returns {Promise<string>} */
const detokenize = (tokens) => /** @type {any} */ (window).model.detokenize(tokens);

let turn = 0;
/** Another first word each time: nothing of a prompt may come from the cache of the one before. */
const word = () => ['One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven'][turn++ % 7];

/**
 * @param {import('../browser/browsers.mjs').Session} session @param {string} engine
 * @returns {Promise<{ decode: number, prefill: number[] }>}  tokens a second, the prefill of each length
 */
async function measure(session, engine) {
  const prefill = [];
  for (const length of lengths) {
    const prompt = (await session.evaluate(tokenizeAlone, `${word()}. ${SENTENCE.repeat(length / 10 + 1)}`)).slice(0, length);
    const { firstMs, restMs } = await session.evaluate(ask, { engine, prompt, count: 1 });
    prefill.push(length / ((firstMs + restMs) / 1000)); // the whole call
  }
  const prompt = await session.evaluate(tokenizeAlone, `${word()}. ${SHORT}`);
  const { restMs } = await session.evaluate(ask, { engine, prompt, count: generate });
  return { decode: (generate - 1) / (restMs / 1000), prefill };
}

/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
/** @param {number[]} values */
const show = (values) => `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)})`;

/** @param {import('../browser/browsers.mjs').EngineName} browser */
async function measureIn(browser) {
  const { decoder } = JSON.parse(readFileSync(join(onnx, 'genai_config.json'), 'utf8')).model;
  const session = await open({
    engine: browser, webgpu: true, strict: false,
    serves: { ...roots, '/models/': dirname(path), '/npm/': join(here, 'node_modules'), '/onnx/': onnx },
  });
  try {
    const { adapter, version } = await session.evaluate(openEngines, {
      gguf: `/models/${basename(path)}`, context: 2048,
      layers: decoder.num_hidden_layers, heads: decoder.num_key_value_heads, width: decoder.head_size,
    });
    console.log(`${browser}, ${adapter}, onnxruntime-web ${version}, ${basename(path)}, ${runs} runs, ${generate} generated`);
    const question = await session.evaluate(tokenize, QUESTION);
    for (const engine of ENGINES) {
      const { tokens } = await session.evaluate(ask, { engine, prompt: question, count: generate });
      console.log(`  ${engine.padEnd(16)} says ${JSON.stringify(await session.evaluate(detokenize, tokens))}`);
      await measure(session, engine); // warm-up
    }
    const speeds = ENGINES.map((engine) => ({ engine, measured: /** @type {Awaited<ReturnType<typeof measure>>[]} */ ([]) }));
    for (let run = 1; run <= runs; run += 1) {
      for (const { engine, measured } of speeds) measured.push(await measure(session, engine));
    }
    for (const { engine, measured } of speeds) {
      const columns = lengths.map((length, at) => `prefill ${length} ${show(measured.map(({ prefill }) => prefill[at]))}`.padEnd(36));
      console.log(`  ${engine.padEnd(16)} ${columns.join('')}decode ${show(measured.map(({ decode }) => decode))}`);
    }
  } finally {
    await session.close();
  }
}

console.log('tokens a second: median (least to most)');
for (const browser of browsers.split(',')) {
  await measureIn(/** @type {import('../browser/browsers.mjs').EngineName} */ (browser));
}
