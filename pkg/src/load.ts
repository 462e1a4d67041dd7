/** On the page: starting a worker and loading a model into it. */
import { Connection, type WorkerPort } from './connection.js';
import { PagelmError } from './errors.js';
import { WorkerModel } from './model.js';
import { checkLoadOptions } from './options.js';
import { type WorkerEvent, isDownload } from './protocol.js';
import { describeSource } from './source-data.js';
import { spawnWorker } from './spawn.js';
import type { Evicted } from './store-types.js';
import type { LoadEvent, LoadOptions, LoadProgress, Model, ModelSource } from './types.js';

/** How long an aborted worker may take to write down its unfinished download, in milliseconds. */
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
 * @param source an address, a `Blob`, an array of them or `{ url, sha256?, headers? }`; see {@link ModelSource}
 * @throws {PagelmError}
 *   `invalid-argument`, `unsupported-option`: the arguments, before anything is requested;
 *   `network`, `storage`, `hash-mismatch`: getting the bytes;
 *   `invalid-gguf`, `invalid-model`, `limit-exceeded`, `unsupported-type`, `unsupported-architecture`:
 *   what the bytes say; `chat-template`: a `chatTemplate` that does not parse (one in the file fails when it is used);
 *   `gpu-unavailable`, `gpu-failure`, `device-lost`, `out-of-memory`: this device; a model that is known to be too large is refused when
 *   its header is there, before the rest is fetched;
 *   `unsupported-environment`, `worker-failed`: this page; `aborted`: the signal.
 */
export async function load(source: ModelSource, options?: LoadOptions): Promise<Model> {
  return loadInto(spawnWorker, source, options);
}

/** {@link load} with the worker that `spawn` gives. */
export async function loadInto(spawn: () => WorkerPort, source: ModelSource, options?: LoadOptions): Promise<Model> {
  const { settings, hub, signal, onProgress, onEvict, onRecover } = checkLoadOptions(options);
  const data = describeSource(source, settings.cache, baseAddress(), hub);
  if (signal?.aborted) throw aborted(signal);
  const report = (event: LoadEvent) => callBack(onProgress, event);
  const hear = ({ type, ...event }: WorkerEvent) => (type === 'evicted' ? callBack(onEvict, event as Evicted) : report({ type, ...event } as LoadProgress));
  const connection = new Connection(spawn);
  const { id, answer } = connection.call<'load'>({ type: 'load', source: data, settings }, hear);
  try {
    const loaded = await orAborted(signal, connection, id, answer);
    if (settings.cache !== 'none' && isDownload(data)) askToPersist();
    const model = new WorkerModel(loaded.info, connection);
    connection.onRecovery = (event) => {
      if (event.type === 'recovered') model.recovered(event.info);
      if (event.type === 'evicted') hear(event);
      else callBack(onRecover, event);
    };
    report({ type: 'ready', ...loaded });
    return model;
  } catch (error) {
    connection.end(new PagelmError('closed', 'Loading the model failed.'));
    throw error;
  }
}

let hasAskedToPersist = false;

/** What is stored shall stay. Some browsers ask the user, so it is asked once, and nobody waits for the answer. */
function askToPersist(): void {
  if (hasAskedToPersist) return;
  hasAskedToPersist = true;
  const storage = globalThis.navigator?.storage;
  storage?.persisted?.().then((isPersisted) => isPersisted || storage.persist(), () => {}).catch(() => {});
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
function callBack<T>(listener: ((event: T) => void) | undefined, event: T): void {
  try {
    listener?.(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

export function baseAddress(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}
