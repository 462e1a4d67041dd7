// Runs in the page: a model that works for a long time, is interrupted at any moment, and has others loaded and closed beside it.
import { load } from '/pkg/dist/index.js';
import { holds } from './in-page.js';

/** @typedef {{ bufferBytes: number, buffers: Record<string, number> }} Memory */

/** @type {import('../../pkg/dist/types.d.ts').Model} */
let model;
const first = { prompt: Array.from({ length: 70 }, (_, i) => 40 + i), options: { maxTokens: 24, ignoreEos: true } };

/** A model in a worker that counts what it asks of WebGPU under this name. @param {string} url @param {string} name */
async function loadCounted(url, name) {
  const PlainWorker = globalThis.Worker;
  globalThis.Worker = class extends PlainWorker {
    /** @param {URL | string} _address @param {WorkerOptions} [options] */
    constructor(_address, options) {
      super(`/browser/counting-worker.js#${name}`, options);
    }
  };
  try {
    return await load(url, { backend: 'webgpu', cache: 'none' });
  } finally {
    globalThis.Worker = PlainWorker;
  }
}

/** What a worker has of the GPU; undefined if it has ended. @param {string} name @returns {Promise<Memory | undefined>} */
function memory(name) {
  const channel = new BroadcastChannel(`webgpu-counts#${name}`);
  return new Promise((resolve) => {
    const answer = (/** @type {any} */ value) => {
      clearTimeout(timer);
      channel.close();
      resolve(value);
    };
    const timer = setTimeout(answer, 2000, undefined);
    channel.onmessage = ({ data }) => { if (data !== 'ask') answer(data); };
    channel.postMessage('ask');
  });
}

/** The first generation, and what the GPU holds then. @param {string} url */
export async function begin(url) {
  model = await loadCounted(url, 'long');
  const { text, tokens } = await model.generate(first.prompt, first.options).result();
  // of all kinds of passes, so that what is made for the first of a kind is there
  await model.generate(first.prompt.slice(1), { ...first.options, temperature: 1, topK: 40, frequencyPenalty: 1, seed: 1 }).result();
  await model.logits([5, 6, 7]);
  return { info: model.info, text, tokens, memory: await memory('long') };
}

/**
 * Generates so many tokens, in texts of any length, half of which are stopped at some moment.
 * @param {{ tokens: number, seed: number }} wanted
 */
export async function work({ tokens, seed }) {
  let state = seed;
  const below = (/** @type {number} */ end) => (state = (state * 48271) % 2147483647) % end; // Park and Miller
  let [done, generations, aborted] = [0, 0, 0];
  while (done < tokens) {
    const prompt = Array.from({ length: 1 + below(90) }, () => 10 + below(300));
    const controller = new AbortController();
    const sampling = below(2) ? { temperature: 1.1, topK: below(50), topP: 0.9, minP: 0.01, repetitionPenalty: 1.1, seed: below(1000), logitBias: { 20: -1 } } : {};
    const generation = model.generate(prompt, { maxTokens: 1 + below(150), ignoreEos: true, signal: controller.signal, ...sampling });
    // in the middle of a prompt, or of the tokens that run ahead; behind so many parts; or not at all
    const how = below(4);
    const stopAt = how === 1 ? 1 + below(20) : Infinity;
    const timer = how === 0 ? setTimeout(() => controller.abort(), below(80)) : undefined;
    let parts = 0;
    for await (const part of generation) if (part.type === 'text-delta' && ++parts === stopAt) controller.abort();
    clearTimeout(timer);
    const result = await generation.result();
    holds(result.reason === 'length' || result.reason === 'aborted', `a generation ends with ${result.reason}`);
    done += result.tokens.length;
    generations += 1;
    aborted += Number(result.reason === 'aborted');
  }
  return { done, generations, aborted };
}

/**
 * Loads a model beside it and closes it, every other time in the middle of a text.
 * @param {{ url: string, name: string }} wanted
 */
export async function loadAndClose({ url, name }) {
  const other = await loadCounted(url, name);
  const generation = other.generate([5, 6, 7], { maxTokens: 3, ignoreEos: true });
  const isCut = name.endsWith('1');
  if (isCut) for await (const part of generation) if (part.type === 'text-delta') break;
  const held = await memory(name);
  if (isCut) generation.result().catch(() => {});
  else await generation.result();
  await other.close();
  return held?.bufferBytes;
}

/** The first generation once more, and what the GPU holds. @param {string[]} closed  names of models that are */
export async function end(closed) {
  await model.logits([3]); // nothing is shared with it
  const { text, tokens } = await model.generate(first.prompt, first.options).result();
  const left = await Promise.all(closed.map(memory));
  return { text, tokens, memory: await memory('long'), left: left.filter((held) => held !== undefined).length };
}
