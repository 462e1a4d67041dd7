/** On the page: starting a worker and loading a model into it. */
import { Connection, type WorkerPort } from './connection.js';
import { PagelmError } from './errors.js';
import { WorkerModel } from './model.js';
import { checkLoadOptions } from './options.js';
import { describeSource } from './source-data.js';
import type { LoadEvent, LoadOptions, Model, ModelSource } from './types.js';

/** How long an aborted worker may take to remove its unfinished download, in milliseconds. */
const CLEANUP_MS = 2000;

/**
 * Loads a GGUF model into a worker of its own.
 *
 * ```js
 * import { load } from 'pagelm';
 * const model = await load('/models/smollm2-135m-instruct-q4_1.gguf');
 * console.log(await model.chat([{ role: 'user', content: 'Hello!' }]).text());
 * await model.close();
 * ```
 *
 * @param source an address, a `Blob` or `{ url, sha256?, headers? }`
 * @throws {PagelmError}
 *   `invalid-argument`, `unsupported-option`: the arguments, before anything is requested;
 *   `network`, `storage`, `hash-mismatch`: getting the bytes;
 *   `invalid-gguf`, `invalid-model`, `limit-exceeded`, `unsupported-type`, `unsupported-architecture`:
 *   what the bytes say; `chat-template`: a `chatTemplate` that does not parse (one in the file fails when it is used);
 *   `gpu-unavailable`, `gpu-failure`, `out-of-memory`: this device; a model that is known to be too large is refused when
 *   its header is there, before the rest is fetched;
 *   `unsupported-environment`, `worker-failed`: this page; `aborted`: the signal.
 */
export async function load(source: ModelSource, options?: LoadOptions): Promise<Model> {
  return loadInto(spawnWorker, source, options);
}

/** {@link load} with the worker that `spawn` gives. */
export async function loadInto(spawn: () => WorkerPort, source: ModelSource, options?: LoadOptions): Promise<Model> {
  const { settings, signal, onProgress } = checkLoadOptions(options);
  const data = describeSource(source, settings.cache, baseAddress());
  if (signal?.aborted) throw aborted(signal);
  const report = onProgress && ((event: LoadEvent) => callBack(onProgress, event));
  const connection = new Connection(spawn());
  const { id, answer } = connection.call<'load'>({ type: 'load', source: data, settings }, report);
  try {
    const loaded = await orAborted(signal, connection, id, answer);
    report?.({ type: 'ready', ...loaded });
    return new WorkerModel(loaded.info, connection);
  } catch (error) {
    connection.end(new PagelmError('closed', 'Loading the model failed.'));
    throw error;
  }
}

/** The answer, or `aborted` once the worker has cleaned up, which it gets {@link CLEANUP_MS} for. */
export async function orAborted<T>(signal: AbortSignal | undefined, connection: Connection, id: number, answer: Promise<T>): Promise<T> {
  if (signal === undefined) return answer;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const abort = () => {
    connection.cancel(id);
    timer = setTimeout(() => connection.end(aborted(signal)), CLEANUP_MS);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    const loaded = await answer;
    if (signal.aborted) throw aborted(signal);
    return loaded;
  } catch (error) {
    throw signal.aborted ? aborted(signal) : error;
  } finally {
    signal.removeEventListener('abort', abort);
    clearTimeout(timer);
  }
}

function aborted(signal: AbortSignal): PagelmError {
  return new PagelmError('aborted', 'Loading was stopped by the signal in the options.', { cause: signal.reason });
}

/** An exception in the page's own callback is the page's: it is reported, and loading goes on. */
function callBack(onProgress: (event: LoadEvent) => void, event: LoadEvent): void {
  try {
    onProgress(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

export function baseAddress(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}

export function spawnWorker(): WorkerPort {
  if (typeof Worker === 'undefined' || typeof WebAssembly === 'undefined') {
    const missing = typeof Worker === 'undefined' ? 'Worker' : 'WebAssembly';
    throw new PagelmError('unsupported-environment', `${missing} does not exist here; call load() in a browser's page, not on a server or in a service worker.`);
  }
  try {
    // Bundlers look for exactly this expression.
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  } catch (cause) {
    const address = new URL('./worker.js', import.meta.url).href;
    throw new PagelmError('worker-failed', `The worker ${address} cannot be started: ${String(cause)}. Serve pagelm's dist/ folder from the page's own origin.`, { cause });
  }
}
