// Runs in the page: what threads.test.mjs asks of the package.
import { load } from '/pkg/dist/index.js';
import { asData, failure } from './in-page.js';

// behind so many tokens a single row's attention is divided between the threads, and by positions
const PROMPT = Array.from({ length: 600 }, (_, index) => 3 + ((index * 7) % 300));
const base = /** @type {const} */ ({ backend: 'cpu', cache: 'none' });
const greedy = { temperature: 0, maxTokens: 24, ignoreEos: true };

/** @typedef {{ url: string, options?: any }} Wanted */

/** @param {any} model */
async function bitsOf(model) {
  const logits = [...new Uint32Array((await model.logits(PROMPT)).buffer)];
  const scores = [...new Uint32Array((await model.score(PROMPT)).buffer)];
  const { tokens } = await model.generate(PROMPT, greedy).result();
  return { logits, scores, tokens };
}

/** @param {Wanted & { threads: number[], pauseMs?: number }} wanted */
export async function bitsOfAll({ url, threads, pauseMs = 0 }) {
  const answers = [];
  const forms = [];
  for (const asked of [...threads.map((count) => ({ threads: count })), ...['i16', 'i32', 'i32-signed'].map((form) => ({ kernels: `relaxed-${form}` }))]) {
    try {
      const model = await load(url, { ...base, .../** @type {any} */ (asked) });
      await new Promise((resolve) => { setTimeout(resolve, pauseMs); });
      if ('kernels' in asked) forms.push(asked.kernels);
      answers.push({ asked, info: model.info, bits: await bitsOf(model) });
      await model.close();
    } catch (error) {
      // a form that does not compute correctly here is refused
      if (!('kernels' in asked) || asData(error).code !== 'unsupported-environment') throw error;
    }
  }
  return { answers, forms };
}

/** @param {Wanted} wanted */
export async function infoOf({ url, options }) {
  const model = await load(url, { ...base, ...options });
  await bitsOf(model);
  await model.close();
  return { info: model.info, cores: navigator.hardwareConcurrency };
}

/** @param {Wanted} wanted */
export async function errorOf({ url, options }) {
  return { error: await failure(load(url, { ...base, ...options })) };
}

/** The threads wait for a word on the channel `go`, which is said when the whole model has been read. @param {Wanted} wanted */
export async function letGoWhenRead({ url, options }) {
  const channel = new BroadcastChannel('go');
  /** @type {string[]} */
  const order = [];
  const onProgress = (/** @type {any} */ event) => {
    if (event.type === 'ready') order.push('ready');
    else if (event.type === 'upload' && event.loaded === event.total) {
      order.push('read');
      // again and again: a thread hears it only once it is there
      const timer = setInterval(() => (order.includes('ready') ? clearInterval(timer) : channel.postMessage('go')), 20);
    }
  };
  const model = await load(url, { ...base, ...options, onProgress });
  await bitsOf(model);
  await model.close();
  return { info: model.info, order };
}

/** @param {Wanted} wanted */
export async function abortAndGoOn({ url, options }) {
  const model = await load(url, { ...base, ...options, contextLength: 2048 });
  const endless = model.generate(PROMPT, { ...greedy, maxTokens: 1900 });
  for await (const _ of endless) break;
  const first = await endless.result();
  const second = await model.generate(PROMPT, greedy).result();
  await model.close();
  return { first, second };
}

/** @param {Wanted} wanted */
export async function twoAtOnce({ url, options }) {
  const models = await Promise.all([load(url, { ...base, ...options }), load(url, { ...base, ...options })]);
  const [one, two] = await Promise.all(models.map(async (model) => (await model.generate(PROMPT, greedy).result()).tokens));
  await Promise.all(models.map((model) => model.close()));
  return { one, two };
}

/** Generates until something fails; then asks the same model, and then a new one without threads. @param {Wanted} wanted */
export async function generateForever({ url, options }) {
  const model = await load(url, { ...base, ...options });
  const generate = async () => { for (;;) await model.generate(PROMPT, greedy).result(); };
  const error = await failure(generate());
  const later = await failure(model.logits(PROMPT));
  const next = await load(url, { ...base, threads: 1 });
  const { tokens: again } = await next.generate(PROMPT, greedy).result();
  await next.close();
  return { error, later, again };
}

/** How many locks of threads are held: with a model, after it, and after a load that was aborted. @param {Wanted} wanted */
export async function locksHeld({ url, options }) {
  const held = async () => (await navigator.locks.query()).held?.filter(({ name }) => name?.startsWith('thread-')).length ?? -1;
  const none = async () => {
    for (let tries = 0; tries < 100 && (await held()) > 0; tries += 1) await new Promise((resolve) => { setTimeout(resolve, 20); });
    return held();
  };
  const model = await load(url, { ...base, ...options });
  const before = await held();
  await model.close();
  const afterClose = await none();
  const controller = new AbortController();
  const onProgress = (/** @type {any} */ { type }) => { if (type === 'upload') controller.abort(); };
  await failure(load(url, { ...base, ...options, signal: controller.signal, onProgress }));
  return { before, afterClose, afterAbort: await none() };
}

/** @type {any} */
let kept;

/** @param {Wanted} wanted */
export async function keepLoaded({ url, options }) {
  kept = await load(url, { ...base, ...options });
  await bitsOf(kept);
}

/** @param {{ ms: number }} wanted */
export async function work({ ms }) {
  for (const start = performance.now(); performance.now() - start < ms;) await kept.score(PROMPT);
}
