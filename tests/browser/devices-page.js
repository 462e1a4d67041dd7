// Runs in the page: a model in a worker whose GPU devices have the faults that the test wants.
import { load } from '/pkg/dist/index.js';
import { asData } from './in-page.js';

/** @typedef {import('./faulty-webgpu.js').Plan} Plan */

/** @type {import('../../pkg/dist/types.d.ts').Model} */
let model;
/** @type {any[]} */
let events = [];

/** Loads it, with faults from the start. @param {{ url: string, options: any, plan?: Plan }} wanted */
export async function start({ url, options, plan = {} }) {
  const PlainWorker = globalThis.Worker;
  globalThis.Worker = class extends PlainWorker {
    /** @param {URL | string} _address @param {WorkerOptions} [settings] */
    constructor(_address, settings) {
      super(`/browser/faulty-worker.js#${encodeURIComponent(JSON.stringify(plan))}`, settings);
    }
  };
  events = [];
  try {
    model = await load(url, { ...options, onRecover: (/** @type {any} */ event) => events.push(event) });
    return model.info;
  } catch (error) {
    return { error: asData(error) };
  } finally {
    globalThis.Worker = PlainWorker;
  }
}

export const stop = () => model.close();

/** @param {Plan} plan */
export function plan(plan) {
  const channel = new BroadcastChannel('webgpu-faults');
  return new Promise((resolve) => {
    channel.onmessage = () => resolve(channel.close());
    channel.postMessage(plan);
  });
}

/** Everything that can be seen of a generation and of what became of the model. @param {{ prompt: number[], options: any }} wanted */
export async function generate({ prompt, options }) {
  const generation = model.generate(prompt, options);
  let parts = '';
  try {
    for await (const part of generation) if (part.type === 'text-delta') parts += part.text;
    const { text, tokens, reason } = await generation.result();
    return { text, parts, tokens, reason, ...state() };
  } catch (error) {
    return { error: asData(error), parts, ...state() };
  }
}

/** What can be asked beside that. @param {number[]} tokens */
export async function ask(tokens) {
  const [logits, scores, ids] = await Promise.all([model.logits(tokens), model.score(tokens), model.tokenize('Hello')]);
  return { logits: Array.from(logits), scores: Array.from(scores), ids, ...state() };
}

function state() {
  const types = events.map(({ type }) => type);
  events = [];
  const isProgress = (/** @type {string} */ type) => type !== 'lost' && type !== 'recovered';
  return { told: types.filter((type) => !isProgress(type)), progress: [...new Set(types.filter(isProgress))], info: model.info };
}
