// Runs in the page: a model in a worker that counts its own calls of WebGPU, and the package's numbers beside them.
import { load } from '/pkg/dist/index.js';

/** What the worker has counted that has this after # in its address. */
function outside(name = '') {
  const channel = new BroadcastChannel(`webgpu-counts${name}`);
  return new Promise((resolve) => {
    channel.onmessage = ({ data }) => {
      if (data === 'ask') return;
      channel.close();
      resolve(data);
    };
    channel.postMessage('ask');
  });
}

/**
 * A model in a worker that counts.
 * @param {string} url @param {any} options @param {string} [name]  what is after # in its address
 * @returns {Promise<import('../../pkg/dist/types.d.ts').Model>}
 */
function loadCounted(url, options, name = '') {
  const PlainWorker = globalThis.Worker;
  globalThis.Worker = class extends PlainWorker {
    /** @param {URL | string} _address @param {WorkerOptions} [settings] */
    constructor(_address, settings) {
      super(`/browser/counting-worker.js${name}`, settings);
    }
  };
  return load(url, { backend: 'webgpu', cache: 'none', ...options }).finally(() => { globalThis.Worker = PlainWorker; });
}

/**
 * Loads a model, then generates after `prompt`.
 * @param {{ url: string, prompt: number[], maxTokens: number }} wanted
 */
export async function count({ url, prompt, maxTokens }) {
  const model = await loadCounted(url, {});
  try {
    const both = async () => ({ inside: await model.counters(), outside: await outside() });
    const loaded = await both();
    const { tokens: first } = await model.generate(prompt, { maxTokens: 1, ignoreEos: true }).result();
    const prefilled = await both();
    const { tokens } = await model.generate([...prompt, ...first], { maxTokens, ignoreEos: true }).result();
    return { info: model.info, loaded, prefilled, decoded: await both(), tokens };
  } finally {
    await model.close();
  }
}

/**
 * What each of the last `tokens` tokens of a generation asks for, counted from outside, where no device is slow.
 * @param {{ url: string, prompt: number[], tokens: number }} wanted
 */
export async function countTokens({ url, prompt, tokens }) {
  const name = '#quick';
  const model = await loadCounted(url, {}, name);
  try {
    const options = { ignoreEos: true };
    // a prompt, and rows alone, of which it is learned how fast they are
    const { tokens: known } = await model.generate(prompt, { ...options, maxTokens: 3 }).result();
    const [before, inside] = [await outside(name), await model.counters()];
    await model.generate([...prompt, ...known], { ...options, maxTokens: tokens }).result();
    const [after, counted] = [await outside(name), await model.counters()];
    const each = Object.fromEntries(Object.keys(after).map((key) => [key, (after[key] - before[key]) / tokens]));
    if (inside === null || counted === null) throw new Error('the CPU counts nothing');
    return { each, weightBytes: (counted.total.weightBytes - inside.total.weightBytes) / tokens, step: counted.step, bytes: model.info.bytes };
  } finally {
    await model.close();
  }
}

/**
 * When pipelines are made: while some of the model's bytes are held back, once it is loaded, and behind generations, greedy and drawn.
 * @param {{ url: string, prompt: number[], stallMs: number }} wanted
 */
export async function whenCompiled({ url, prompt, stallMs }) {
  /** @type {any[]} */
  const events = [];
  let arrived = 0;
  const onProgress = (/** @type {any} */ event) => {
    if (event.type === 'download') arrived = event.loaded / event.total;
    if (event.type === 'compile') events.push({ ...event, arrived });
  };
  const loading = loadCounted(url, { download: { stallMs }, onProgress });
  let before = 0;
  for (let isLoading = true; isLoading;) {
    isLoading = await Promise.race([loading.then(() => false), new Promise((resolve) => { setTimeout(resolve, 50, true); })]);
    if (arrived === 0 || !isLoading) continue; // there may be no worker yet
    const { pipelines } = await outside();
    if (arrived < 1) before = pipelines;
  }
  const model = await loading;
  try {
    const loaded = await outside();
    for (const options of [{}, { temperature: 1, seed: 1 }]) await model.generate(prompt, { maxTokens: 3, ignoreEos: true, ...options }).result();
    return { before, loaded, generated: await outside(), events };
  } finally {
    await model.close();
  }
}
