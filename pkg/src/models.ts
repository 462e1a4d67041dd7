/** On the page: the models that are stored on this device. */
import { Connection, type WorkerPort } from './connection.js';
import { PagelmError } from './errors.js';
import { checkText, invalid, record } from './options.js';
import type { StoreAnswers, StoreRequest } from './protocol.js';
import type { ImportOptions, ModelCheck, Models, StoreUsage, StoredModelInfo, UnfinishedDownload, VerifyOptions } from './store-types.js';
import type { LoadProgress } from './types.js';
import { spawnWorker } from './spawn.js';

const VERIFY_KEYS = { signal: true, onProgress: true } satisfies Record<keyof VerifyOptions, true>;

interface Listening {
  signal?: AbortSignal;
  onProgress?: (event: LoadProgress) => void;
}

export class StoredModels implements Models {
  readonly #spawn: () => WorkerPort;

  constructor(spawn: () => WorkerPort = spawnWorker) {
    this.#spawn = spawn;
  }

  list(): Promise<StoredModelInfo[]> {
    return this.#ask({ method: 'list' });
  }

  async inspect(id: string): Promise<StoredModelInfo> {
    return this.#ask({ method: 'inspect', id: checkText('id', id) });
  }

  async remove(id: string): Promise<void> {
    return this.#ask({ method: 'remove', id: checkText('id', id) });
  }

  async pin(id: string, pinned = true): Promise<StoredModelInfo> {
    if (typeof pinned !== 'boolean') invalid('pinned', pinned, 'true or false');
    return this.#ask({ method: 'pin', id: checkText('id', id), pinned });
  }

  async verify(id: string, options?: VerifyOptions): Promise<ModelCheck> {
    return this.#ask({ method: 'verify', id: checkText('id', id) }, listening('verify options', options));
  }

  unfinished(): Promise<UnfinishedDownload[]> {
    return this.#ask({ method: 'unfinished' });
  }

  async discard(id: string): Promise<void> {
    return this.#ask({ method: 'discard', id: checkText('id', id) });
  }

  usage(): Promise<StoreUsage> {
    return this.#ask({ method: 'usage' });
  }

  async export(id: string): Promise<Blob[]> {
    return this.#ask({ method: 'export', id: checkText('id', id) });
  }

  async import(files: Blob | readonly Blob[], options?: ImportOptions): Promise<StoredModelInfo> {
    const blobs = files instanceof Blob ? [files] : Array.isArray(files) ? files : invalid('files', files, 'a Blob or an array of Blobs');
    if (blobs.length === 0 || !blobs.every((blob) => blob instanceof Blob)) invalid('files', files, 'a Blob or an array of Blobs, at least one');
    const names = blobs.map((blob, index) => (blob instanceof File ? blob.name : `model-${index + 1}.gguf`));
    return this.#ask({ method: 'import', blobs, names }, listening('import options', options));
  }

  async persist(): Promise<boolean> {
    return (await globalThis.navigator?.storage?.persist?.()) ?? false;
  }

  async #ask<T extends StoreRequest>(request: T, { signal, onProgress }: Listening = {}): Promise<StoreAnswers[T['method']]> {
    const aborted = () => new PagelmError('aborted', 'The signal in the options stopped it.', { cause: signal?.reason });
    if (signal?.aborted) throw aborted();
    const connection = new Connection(this.#spawn);
    const { id, answer } = connection.call<'store'>({ type: 'store', request }, onProgress && ((event) => onProgress(event as LoadProgress)));
    const cancel = () => connection.cancel(id);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return (await answer) as StoreAnswers[T['method']];
    } catch (error) {
      throw signal?.aborted ? aborted() : error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      connection.end(new PagelmError('closed', 'The store has answered.'));
    }
  }
}

function listening(what: string, options: unknown): Listening {
  const { signal, onProgress } = record(what, options, VERIFY_KEYS);
  if (onProgress !== undefined && typeof onProgress !== 'function') invalid(`${what}: onProgress`, onProgress, 'a function');
  if (signal !== undefined && !(signal instanceof AbortSignal)) invalid(`${what}: signal`, signal, 'an AbortSignal');
  return { ...(signal && { signal }), ...(onProgress && { onProgress: onProgress as (event: LoadProgress) => void }) };
}

/** The models that are stored on this device; see {@link Models}. */
export const models: Models = new StoredModels();
