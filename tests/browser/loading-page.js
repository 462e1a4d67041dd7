// Runs in the page: one load, told as data.
import { load } from '/pkg/dist/index.js';
import { asData } from './in-page.js';

/**
 * Loads, asks for one row of logits and some scores, closes.
 * @param {{ source: any, as?: 'URL' | 'Blob' | 'File' | 'Files', options?: any, abortAt?: string }} wanted  `as`: what becomes of
 *   the address in `source`; `abortAt`: a type of event
 */
export async function attempt({ source, as, options = {}, abortAt }) {
  /** @type {any[]} */
  const events = [];
  const controller = new AbortController();
  const onProgress = (/** @type {any} */ event) => {
    events.push(event);
    if (event.type === abortAt) controller.abort();
  };
  try {
    const model = await load(await given(source, as), { ...options, onProgress, ...(abortAt && { signal: controller.signal }) });
    const { length } = await model.logits([1, 2]);
    const scores = Array.from(await model.score([3, 1, 4, 1, 5]));
    await model.close();
    return { info: model.info, fromCache: events.at(-1).fromCache, events, logits: length, scores, stored: await stored() };
  } catch (error) {
    return { error: asData(error), events, stored: await stored() };
  }
}

/** @param {any} source @param {string | undefined} as */
async function given(source, as) {
  if (as === undefined) return source;
  if (as === 'URL') return new URL(source, location.href);
  if (as === 'Files') return Promise.all(source.map((/** @type {string} */ url) => given(url, 'File')));
  const body = await (await fetch(source)).arrayBuffer();
  return as === 'File' ? new File([body], 'dropped.gguf') : new Blob([body]);
}

/** Names of the files that the package keeps, without its index; null where there is no private file system. */
export async function stored() {
  try {
    const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle('pagelm', { create: true });
    const names = [];
    for await (const name of /** @type {any} */ (directory).keys()) if (!name.startsWith('index.')) names.push(name);
    return names.sort();
  } catch {
    return null;
  }
}

/** Removes them; a worker that has just ended may hold one for a moment. */
export async function forget() {
  const root = await navigator.storage?.getDirectory?.().catch(() => null);
  for (let attempts = 0; root && attempts < 100; attempts += 1) {
    try {
      return void await root.removeEntry('pagelm', { recursive: true });
    } catch (/** @type {any} */ error) {
      if (error.name === 'NotFoundError') return;
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  }
}
