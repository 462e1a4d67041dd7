// Runs in the page: a model in a worker that counts its own calls of WebGPU, and the package's numbers beside them.
import { load } from '/pkg/dist/index.js';

/** What the worker has counted. */
function outside() {
  const channel = new BroadcastChannel('webgpu-counts');
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
 * Loads a model, then generates after `prompt`.
 * @param {{ url: string, prompt: number[], maxTokens: number }} wanted
 */
export async function count({ url, prompt, maxTokens }) {
  const PlainWorker = globalThis.Worker;
  globalThis.Worker = class extends PlainWorker {
    /** @param {URL | string} _address @param {WorkerOptions} [options] */
    constructor(_address, options) {
      super('/browser/counting-worker.js', options);
    }
  };
  const model = await load(url, { backend: 'webgpu', cache: 'none' });
  globalThis.Worker = PlainWorker;
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
