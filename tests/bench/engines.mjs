// The engines that are measured beside each other: how each is started, and the same two questions to all of them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * @typedef {{ prompt: number, promptMs: number, decoded: number, decodeMs: number }} Measured  tokens and milliseconds
 * @typedef {object} Opened
 * @property {string} what            what runs: the kernels, the threads that it has
 * @property {number} loadMs
 * @property {(prompt: string, maxTokens: number) => Promise<Measured>} measure
 * @property {() => void} close
 */
/** @typedef {{ engine: string, threads: number, kernels?: string, kv?: string, backend?: string }} Wanted */
/** @typedef {{ browser: import('playwright-core').Browser, origin: string, file: string, path: string, context: number }} Place */

/** @param {Wanted} wanted @param {Place} place @returns {Promise<Opened>} */
export function openEngine(wanted, place) {
  return wanted.engine === 'native' ? openNative(wanted, place) : openInBrowser(wanted, place);
}

/** @param {Wanted} wanted @param {Place} place */
async function openInBrowser({ engine, ...options }, { browser, origin, file, context }) {
  const page = await browser.newPage();
  await page.goto(`${origin}/blank.html`);
  const setup = engine === 'wllama' ? openPeer : openPagelm;
  const { loadMs, what } = await page.evaluate(setup, { file, context, ...options });
  return {
    what,
    loadMs,
    measure: (/** @type {string} */ prompt, /** @type {number} */ maxTokens) =>
      page.evaluate(([text, count]) => /** @type {any} */ (window).measure(text, count), /** @type {[string, number]} */ ([prompt, maxTokens])),
    close: () => void page.close(),
  };
}

/** Runs in the page. @param {any} wanted */
async function openPagelm({ file, backend = 'cpu', kernels, kv, threads, context }) {
  const { load } = await import(/** @type {any} */ ('/pkg/dist/index.js'));
  const start = performance.now();
  const model = await load(`/models/${file}`, { backend, cache: 'none', threads, contextLength: context, ...(kernels && { kernels }), ...(kv !== 'auto' && { kvCacheType: kv }) });
  const loadMs = performance.now() - start;
  let turn = 0;
  /** @type {any} */ (window).measure = async (/** @type {string} */ prompt, /** @type {number} */ maxTokens) => {
    // a different first word each time: nothing of the prompt may come from the cache of the turn before
    const text = `${['One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven'][turn++ % 7]}. ${prompt}`;
    const { timings } = await model.generate(text, { maxTokens, temperature: 0, ignoreEos: true }).result();
    return { prompt: timings.promptTokens - timings.cachedTokens, promptMs: timings.promptMs,
             decoded: timings.generatedTokens - 1, decodeMs: timings.generateMs };
  };
  return { loadMs, what: `${model.info.kernels}, ${model.info.kvCacheType}, ${model.info.threads}` };
}

/** Runs in the page. @param {any} wanted */
async function openPeer({ file, threads, context }) {
  const { Wllama } = await import(/** @type {any} */ ('/npm/@wllama/wllama/esm/index.js'));
  const engine = new Wllama({ default: '/npm/@wllama/wllama/esm/wasm/wllama.wasm' }, { suppressNativeLog: true });
  const blob = await (await fetch(`/models/${file}`)).blob();
  const start = performance.now();
  await engine.loadModel([blob], { n_ctx: context, n_threads: threads, n_gpu_layers: 0 });
  const loadMs = performance.now() - start;
  /** @type {any} */ (window).measure = async (/** @type {string} */ prompt, /** @type {number} */ maxTokens) => {
    let timings;
    const stream = await engine.createCompletion({ prompt, max_tokens: maxTokens, temperature: 0, top_k: 1,
      stream: true, ignore_eos: true, cache_prompt: false, timings_per_token: true });
    for await (const chunk of stream) timings = chunk.timings ?? timings;
    return { prompt: timings.prompt_n, promptMs: timings.prompt_ms, decoded: timings.predicted_n, decodeMs: timings.predicted_ms };
  };
  return { loadMs, what: `3.8.1, ${engine.getNumThreads()}` };
}

/** @param {Wanted} wanted @param {Place} place */
async function openNative({ threads }, { path, context }) {
  const script = join(import.meta.dirname, 'native.py');
  const child = spawn(nativePython(), [script, path, String(threads), String(context)], { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit').then(([code]) => { throw new Error(`native.py ended with ${code}`); });
  ended.catch(() => {}); // at the end nobody waits for it
  /** @returns {Promise<any>} */
  const answer = async () => JSON.parse((await Promise.race([once(lines, 'line'), ended]))[0]);
  const { loadMs } = await answer();
  return {
    what: `xllamacpp, ${threads}`,
    loadMs,
    measure: (/** @type {string} */ prompt, /** @type {number} */ maxTokens) => {
      child.stdin.write(`${JSON.stringify({ prompt, maxTokens })}\n`);
      return answer();
    },
    close: () => child.stdin.end(),
  };
}

/** A Python that has xllamacpp: $PAGELM_PYTHON, or the one in PATH. */
export const nativePython = () => process.env.PAGELM_PYTHON ?? 'python3';
