/** The contract of `models`: what is stored on this device. */
import type { LoadProgress } from './types.js';

/**
 * The models that are stored on this device, in the origin private file system, by the content of their files. Each method fails
 * with `storage` where there is none (except `list`, `unfinished` and `usage`, which then are empty), and with `invalid-argument` for an id that is not there.
 *
 * ```js
 * import { load, models } from 'pagelm';
 * for (const { id, bytes, sources } of await models.list()) console.log(id, bytes, sources[0]);
 * const model = await load(await models.export(id)); // without a network, and without a copy
 * ```
 */
export interface Models {
  /** All of them, the last used first. */
  list(): Promise<StoredModelInfo[]>;
  inspect(id: string): Promise<StoredModelInfo>;
  /** Removes it, and its files unless another model has them, too. Fails with `storage` while a tab is reading it. */
  remove(id: string): Promise<void>;
  /** A pinned model is never removed to make room. */
  pin(id: string, pinned?: boolean): Promise<StoredModelInfo>;
  /** Reads and hashes it. Files that are not what they should be are removed: the next load gets them again. */
  verify(id: string, options?: VerifyOptions): Promise<ModelCheck>;
  /** Downloads that are not complete, the last changed first. `load` with the same source goes on with one. */
  unfinished(): Promise<UnfinishedDownload[]>;
  /** Removes an unfinished download. Fails with `storage` while a tab is downloading it. */
  discard(id: string): Promise<void>;
  usage(): Promise<StoreUsage>;
  /** Its files, which `load` takes. Their bytes stay on the disk until they are read. */
  export(id: string): Promise<Blob[]>;
  /** Copies a model into the store; several files are one split model. */
  import(files: Blob | readonly Blob[], options?: ImportOptions): Promise<StoredModelInfo>;
  /** Asks the browser not to clear this site's storage by itself; some ask the user. Whether it agrees. */
  persist(): Promise<boolean>;
}

export interface VerifyOptions {
  signal?: AbortSignal | undefined;
  /** Hears of `verify`: bytes hashed. */
  onProgress?: ((event: LoadProgress) => void) | undefined;
}

export interface ImportOptions extends VerifyOptions {}

/** A model in the store. */
export interface StoredModelInfo {
  /** SHA-256 of its first file: other bytes are another model, so versions of one live side by side. */
  id: string;
  files: { sha256: string; bytes: number }[];
  bytes: number;
  /** The address that each file was got from; the names of imported ones. */
  sources: string[];
  /** Milliseconds since 1970. */
  addedAt: number;
  usedAt: number;
  pinned: boolean;
  /** What the model says of itself, as in `ModelInfo`; null until it was first loaded. */
  facts: { architecture: string; name: string; parameters: number; quantisation: string } | null;
}

/** A file on its way into the store, or one that has arrived while others of its split model have not. Counts in bytes. */
export interface UnfinishedDownload {
  /** For {@link Models.discard}. */
  id: string;
  /** Where it is from, as an absolute address. */
  source: string;
  /** How many have arrived. */
  bytes: number;
  total: number;
  /** Milliseconds since 1970. */
  changedAt: number;
  /** Whether a tab is downloading it now. */
  isActive: boolean;
}

export interface ModelCheck {
  id: string;
  ok: boolean;
  /** SHA-256 of the files that did not have it any more. */
  bad: string[];
}

/** Counts in bytes, except `models`. */
export interface StoreUsage {
  /** False where the browser has no private file system in workers: models load, and nothing is kept. */
  isAvailable: boolean;
  /** How many. */
  models: number;
  modelBytes: number;
  /** Of downloads that are not complete; the next load goes on with them. */
  unfinishedBytes: number;
  /** What this origin may use, and uses, by the browser's own estimate; null where it gives none. */
  quota: number | null;
  usage: number | null;
  /** Whether the browser has promised not to clear it by itself. */
  persisted: boolean;
}

/** Something that was removed from the store to make room; see `LoadOptions.onEvict`. */
export interface Evicted {
  /** Of the model; null for an unfinished download. */
  id: string | null;
  /** Where it was from; empty for an unfinished download. */
  source: string;
  bytes: number;
}
