// What the benchmark measures, with the package's own clocks: prompts of several lengths, and answers after contexts of
// several lengths. Token ids are drawn from a fixed seed: speed does not depend on what is said.
import { formatBytes } from './format.js';
import { load } from './store.js';

/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {import('./pagelm.js').Model} Model */
/** @typedef {{ source: ModelSource, options: import('./pagelm.js').LoadOptions, prefill: number[], decode: number[], repetitions: number, signal: AbortSignal }} Plan  options: where from, and on what */
/** @typedef {{ tokens: number, rate: number }} Point  tokens: of the prompt, or in the context; rate: tokens a second */
/**
 * Of the way to the first token, in ms: the package's own clocks for compiling, reading and uploading (see `LoadTimings`), a prompt
 * of 16 tokens, and what is left: worker, header, tokenizer, device.
 * @typedef {{ stored: boolean, openMs: number, compileMs: number, readMs: number, uploadMs: number, promptMs: number }} Start
 */
/** @typedef {{ backend: string, threads: number, device: string, model: string, start: Start, prefill: Point[], decode: Point[] }} Run */

/** Long enough that one slow token does not decide, short enough that the context hardly grows. */
const answerTokens = 32;
const startTokens = 16;

/**
 * The way from nothing to a first token.
 * @param {Model} model  that was just loaded @param {import('./pagelm.js').LoadReady} ready @param {number} loadMs  as the page saw it
 * @param {AbortSignal} signal @returns {Promise<Start>}
 */
async function measureStart(model, { fromCache, timings }, loadMs, signal) {
  const { compileMs, readMs, uploadMs } = timings;
  const first = await model.generate(tokenIds(model, startTokens, 1), { maxTokens: 1, ignoreEos: true, signal }).result();
  signal.throwIfAborted();
  return { stored: fromCache, openMs: loadMs - compileMs - readMs - uploadMs, compileMs, readMs, uploadMs, promptMs: first.timings.promptMs };
}

/**
 * @param {Plan} plan
 * @param {(what: string) => void} onStep  is told what is done next
 * @returns {Promise<Run>}
 */
export async function measure(plan, onStep) {
  const { source, options, signal } = plan;
  onStep('loading');
  const contextLength = Math.max(startTokens, ...plan.prefill, ...plan.decode) + answerTokens + 1;
  const begun = performance.now();
  /** @type {import('./pagelm.js').LoadReady | undefined} */
  let ready;
  const onProgress = (/** @type {import('./pagelm.js').LoadEvent} */ event) => {
    if (event.type === 'ready') ready = event;
    else if (event.type === 'download') onStep(`downloading, ${formatBytes(event.loaded)}${event.total > 0 ? ` of ${formatBytes(event.total)}` : ''}`);
    else onStep('loading');
  };
  const model = await load(source, { ...options, signal, contextLength, onProgress });
  const loadMs = performance.now() - begun;
  try {
    const { info } = model;
    if (!ready) throw new Error('The model came without a word about its loading.');
    const start = await measureStart(model, ready, loadMs, signal);
    const run = { backend: info.backend, threads: info.threads, device: info.device, model: `${info.name || 'unnamed'} ${info.quantisation}`, start };
    const prefill = await eachPoint(plan.prefill, plan, (tokens, seed) => {
      onStep(`prompt of ${tokens}, ${seed + 1} of ${plan.repetitions}`);
      return prefillRate(model, tokens, seed, signal);
    });
    const decode = await eachPoint(plan.decode, plan, (tokens, seed) => {
      onStep(`answer after ${tokens}, ${seed + 1} of ${plan.repetitions}`);
      return decodeRate(model, tokens, signal);
    });
    return { ...run, prefill, decode };
  } finally {
    await model.close();
  }
}

/**
 * @param {number[]} lengths @param {Plan} plan @param {(tokens: number, repetition: number) => Promise<number>} rateOf
 * @returns {Promise<Point[]>} medians
 */
async function eachPoint(lengths, { repetitions, signal }, rateOf) {
  const points = [];
  for (const tokens of lengths) {
    const rates = [];
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      signal.throwIfAborted();
      rates.push(await rateOf(tokens, repetition));
    }
    points.push({ tokens, rate: median(rates) });
  }
  return points;
}

/** @param {Model} model @param {number} tokens @param {number} seed  another prompt each time, or the cache would know it @param {AbortSignal} signal */
async function prefillRate(model, tokens, seed, signal) {
  const { timings } = await model.generate(tokenIds(model, tokens, seed + tokens), { maxTokens: 1, ignoreEos: true, signal }).result();
  signal.throwIfAborted();
  return rate(timings.promptTokens - timings.cachedTokens, timings.promptMs);
}

/** @param {Model} model @param {number} tokens @param {AbortSignal} signal */
async function decodeRate(model, tokens, signal) {
  // the same prompt each time: from the second time on it is cached, and only the answer costs
  const { timings } = await model.generate(tokenIds(model, tokens, 0), { maxTokens: answerTokens, ignoreEos: true, signal }).result();
  signal.throwIfAborted();
  return rate(timings.generatedTokens, timings.generateMs);
}

/** @param {Model} model @param {number} count @param {number} seed */
function tokenIds(model, count, seed) {
  let state = (seed + 1) * 2_654_435_761;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % model.info.vocabularySize;
  });
}

/** @param {number} tokens @param {number} ms */
const rate = (tokens, ms) => (ms > 0 ? (tokens / ms) * 1000 : 0);

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
