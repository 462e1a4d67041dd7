// Runs in the page: one load and a few tokens, told as data. `meter.js` is in the worker.
import { inspect, load, PagelmError } from '/dist/index.js';

/** @param {Promise<any>} promise */
const orError = (promise) => promise.catch((error) => ({
  error: { code: PagelmError.isInstance(error) ? error.code : 'not a PagelmError', message: String(error?.message ?? error) },
}));

/** @param {{ url: string, contextLength?: number }} wanted */
export const look = ({ url, contextLength }) => orError(inspect(url, { contextLength }));

/** @param {{ url: string, options: any, prompt: number[], maxTokens: number }} wanted */
export const attempt = (wanted) => orError(generate(wanted));

/** @param {Parameters<typeof attempt>[0]} wanted */
async function generate({ url, options, prompt, maxTokens }) {
  const begun = performance.now();
  const model = await load(url, { cache: 'none', ...options });
  const loadMs = performance.now() - begun;
  const { tokens, timings } = await model.generate(prompt, { maxTokens, temperature: 0, ignoreEos: true }).result();
  const counters = model.info.backend === 'webgpu' ? await model.counters() : null;
  const logits = await model.logits(prompt);
  return { info: model.info, loadMs, tokens, timings, token: counters?.step, finite: logits.every(Number.isFinite) };
}
