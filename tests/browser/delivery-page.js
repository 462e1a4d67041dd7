// Runs in the page: what the table of delivery faults does besides loading.
import { load, models } from '/pkg/dist/index.js';
import { attempt } from './loading-page.js';

const folder = async () => (await navigator.storage.getDirectory()).getDirectoryHandle('pagelm', { create: true });

/** @param {(name: string, file: any) => Promise<void> | void} act */
async function each(act) {
  const directory = await folder();
  const names = [];
  for await (const name of /** @type {any} */ (directory).keys()) names.push(name);
  for (const name of names) await act(name, await directory.getFileHandle(name));
}

/** @param {any} file @param {Uint8Array | number} content  bytes, or how many to keep */
async function rewrite(file, content) {
  const writable = await file.createWritable({ keepExistingData: typeof content === 'number' });
  if (typeof content === 'number') await writable.truncate(content);
  else await writable.write(content);
  await writable.close();
}

const isFile = (/** @type {string} */ name) => /^[0-9a-f]{64}$/.test(name);
const garbage = Uint8Array.from({ length: 1000 }, (_, i) => (i * 37) & 255);

/** @type {Record<string, (name: string, file: any) => Promise<void> | void>} */
const damages = {
  cut: (name, file) => { if (isFile(name)) return rewrite(file, 1000); },
  gone: async (name) => { if (isFile(name)) await (await folder()).removeEntry(name); },
  index: (name, file) => { if (name.startsWith('index.')) return rewrite(file, garbage); },
  'no index': async (name) => { if (name.startsWith('index.')) await (await folder()).removeEntry(name); },
  log: (name, file) => { if (name.endsWith('.log')) return rewrite(file, garbage); },
  part: (name, file) => { if (name.endsWith('.part')) return rewrite(file, 5_000_000); },
};

/** @param {{ how: string }} wanted */
export const damage = ({ how }) => each(damages[how]);

/** Starts a load and answers when so many bytes are there; it goes on. @param {{ source: any, options: any, bytes: number }} wanted */
export function begin({ source, options, bytes }) {
  return new Promise((resolve, reject) => {
    const onProgress = (/** @type {any} */ { type, loaded }) => { if (type === 'download' && loaded >= bytes) resolve(loaded); };
    load(source, { ...options, onProgress }).then(() => reject(new Error('it has loaded')), reject);
  });
}

/** A load that is stopped when so many bytes are there. @param {{ source: any, options: any, bytes: number }} wanted */
export async function abortAt({ source, options, bytes }) {
  const controller = new AbortController();
  const onProgress = (/** @type {any} */ { type, loaded }) => { if (type === 'download' && loaded >= bytes) controller.abort(); };
  const error = await load(source, { ...options, onProgress, signal: controller.signal }).then(() => undefined, (reason) => reason);
  return { error: error && { code: error.code, message: error.message } };
}

/** What the store tells of unfinished downloads, before and after one of them is discarded. */
export async function discardOne() {
  const before = await models.unfinished();
  await models.discard(before[0]?.id ?? '');
  return { before, after: await models.unfinished() };
}

/** @param {any} wanted */
export const twice = async (wanted) => Promise.all([attempt(wanted), attempt(wanted)]);

/** Loads while another context holds every stored file open. @param {any} wanted */
export async function whileLocked(wanted) {
  const holder = new Worker(new URL('./delivery-locker.js', import.meta.url), { type: 'module' });
  try {
    await new Promise((resolve, reject) => {
      holder.onmessage = ({ data }) => (data === 'locked' ? resolve(data) : reject(new Error(data)));
      holder.postMessage('');
    });
    return await attempt(wanted);
  } finally {
    holder.terminate();
  }
}

/** Whether each stored file has the content of its name, and what else is there. */
export async function inventory() {
  if (!('storage' in navigator && 'getDirectory' in navigator.storage)) return null;
  const out = { files: 0, wrong: /** @type {string[]} */ ([]), rest: /** @type {string[]} */ ([]) };
  await each(async (name, file) => {
    if (!isFile(name)) return void (name.startsWith('index.') || out.rest.push(name));
    out.files += 1;
    const digest = await crypto.subtle.digest('SHA-256', await (await file.getFile()).arrayBuffer());
    const hash = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (hash !== name) out.wrong.push(`${name} has ${hash}`);
  });
  return out;
}
