// Runs in the page: a model in a worker whose GPU devices have the faults that the test wants.
import { load } from '/pkg/dist/index.js';
import { asData, numbers } from './in-page.js';

/** @typedef {import('./faulty-webgpu.js').Plan} Plan */

/** @type {import('../../pkg/dist/types.d.ts').Model} */
let model;
/** @type {any[]} */
let events = [];

/** @template T @param {Plan} plan @param {() => Promise<T>} job  what it loads is on devices with these faults */
async function withFaults(plan, job) {
  const PlainWorker = globalThis.Worker;
  globalThis.Worker = class extends PlainWorker {
    /** @param {URL | string} _address @param {WorkerOptions} [settings] */
    constructor(_address, settings) {
      super(`/browser/faulty-worker.js#${encodeURIComponent(JSON.stringify(plan))}`, settings);
    }
  };
  try {
    return await job();
  } finally {
    globalThis.Worker = PlainWorker;
  }
}

/** Loads it, with faults from the start. @param {{ url: string, asBlob?: boolean, options: any, plan?: Plan }} wanted */
export const start = ({ url, asBlob = false, options, plan = {} }) => withFaults(plan, async () => {
  events = [];
  try {
    model = await load(asBlob ? await (await fetch(url)).blob() : url, { ...options, onRecover: (/** @type {any} */ event) => events.push(event) });
    return model.info;
  } catch (error) {
    return { error: asData(error) };
  }
});

/** What `in-page.js` gives of a model on such a device, and what the worker has seen. @param {{ plan: Plan, wanted: any }} of */
export const numbersWith = ({ plan, wanted }) => withFaults(plan, () => numbers(wanted, seen));

/** Where the worker remembers how fast devices are; see `pkg/src/tunings.ts`. */
const TUNINGS = 'pagelm-tunings';

export const forgetTunings = () => caches.delete(TUNINGS);

/** What is remembered of the only device. */
export async function keptTuning() {
  const cache = await caches.open(TUNINGS);
  const [key, ...more] = await cache.keys();
  if (more.length > 0) throw new Error(`${1 + more.length} tunings are remembered`);
  return (await cache.match(key))?.json();
}

/** What is remembered of each device becomes this: a text, or with some of its numbers changed. @param {string | Record<string, number>} change */
export async function changeTunings(change) {
  const cache = await caches.open(TUNINGS);
  const keys = await cache.keys();
  if (keys.length === 0) throw new Error('nothing is remembered');
  for (const key of keys) {
    const kept = await (await cache.match(key))?.text();
    await cache.put(key, new Response(typeof change === 'string' ? change : JSON.stringify({ ...JSON.parse(kept ?? ''), ...change })));
  }
}

/** What each submit took since the last time, and what was asked of devices. @returns {Promise<{ submits: number[], limitsAsked: Record<string, number>[] }>} */
export async function seen() {
  return JSON.parse(/** @type {string} */ (await tell({ ask: true })));
}

/**
 * A generation that is given up as soon as some of its prompt is evaluated.
 * @param {{ prompt: number[], options: any }} wanted
 */
export async function giveUp({ prompt, options }) {
  const controller = new AbortController();
  await seen();
  let [stopped, before] = [0, Promise.resolve({ submits: /** @type {number[]} */ ([]) })];
  /** @type {any[]} */
  const told = [];
  const onProgress = (/** @type {any} */ event) => {
    told.push(event);
    if (event.loaded === 0 || stopped > 0) return;
    stopped = performance.now();
    before = seen();
    controller.abort();
  };
  const { tokens, reason, usage } = await model.generate(prompt, { ...options, signal: controller.signal, onProgress }).result();
  const ms = performance.now() - stopped;
  return { tokens, reason, usage, told, ms, before: (await before).submits, after: (await seen()).submits };
}

/** The whole of one, and what was told of its prompt. @param {{ prompt: number[], options: any }} wanted */
export async function whole({ prompt, options }) {
  /** @type {any[]} */
  const told = [];
  await seen();
  const { tokens, usage } = await model.generate(prompt, { ...options, onProgress: (/** @type {any} */ event) => told.push(event) }).result();
  return { tokens, usage, told, submits: (await seen()).submits };
}

export const stop = () => model.close();

/** @param {Plan} plan */
export const plan = (plan) => tell(plan);

/** @param {Plan | { ask: true }} message @returns {Promise<unknown>} the worker's answer */
function tell(message) {
  const channel = new BroadcastChannel('webgpu-faults');
  return new Promise((resolve) => {
    channel.onmessage = ({ data }) => {
      channel.close();
      resolve(data);
    };
    channel.postMessage(message);
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
