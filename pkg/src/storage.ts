/**
 * In the worker: downloads in the origin private file system, directory `pagelm`.
 *
 * A file is named after what identifies it: the SHA-256 that was asked for, or else the SHA-256 of its address.
 * Beside it `<name>.json` is written last, when every byte is there and verified: a file without it is unfinished.
 */
import { type ByteStream, PIECE_BYTES, fromBlob } from './byte-stream.js';
import { PagelmError } from './errors.js';
import { type LoadSettings, type SourceData, isDownload } from './protocol.js';

const DIRECTORY = 'pagelm';

/** What `<name>.json` says. */
interface Sidecar {
  version: 1;
  url: string;
  bytes: number;
  /** The verified SHA-256, or null when none was asked for. */
  sha256: string | null;
  etag: string | null;
}

/** The place of one source, or undefined when it is not to be stored. @throws {PagelmError} `storage` */
export async function openSlot(source: SourceData & { kind: 'url' }, cache: LoadSettings['cache']): Promise<Slot | undefined> {
  if (cache === 'none' || !isDownload(source)) return undefined;
  try {
    if (typeof FileSystemFileHandle === 'undefined' || !('createSyncAccessHandle' in FileSystemFileHandle.prototype)) {
      throw new Error('this browser has no synchronous file access in workers');
    }
    const root = await navigator.storage.getDirectory();
    const directory = await root.getDirectoryHandle(DIRECTORY, { create: true });
    return new Slot(directory, source.sha256 ?? (await sha256Of(source.url)), source, cache === 'opfs');
  } catch (cause) {
    if (cache === undefined) return undefined; // e.g. a private window; the download works without
    throw new PagelmError('storage', `cache is 'opfs', but the origin private file system cannot be used: ${String(cause)}. Leave cache out, or pass 'none'.`, { cause });
  }
}

async function sha256Of(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Slot {
  readonly #directory: FileSystemDirectoryHandle;
  readonly #name: string;
  readonly #source: SourceData & { kind: 'url' };

  readonly #wanted: boolean;

  /** @param wanted whether the caller asked for a copy, so that having no room for it is an error */
  constructor(directory: FileSystemDirectoryHandle, name: string, source: SourceData & { kind: 'url' }, wanted: boolean) {
    this.#directory = directory;
    this.#name = name;
    this.#source = source;
    this.#wanted = wanted;
  }

  /** The stored bytes; undefined when there are none, or not all. */
  async read(): Promise<ByteStream | undefined> {
    const sidecar = await this.#readSidecar();
    if (sidecar === undefined) return undefined;
    try {
      const file = await this.#directory.getFileHandle(this.#name);
      const blob = await file.getFile();
      if (blob.size !== sidecar.bytes) return undefined;
      const handle = await lock(file, { mode: 'read-only' });
      // Locked by another tab that reads it: as a Blob it can be read all the same.
      if (handle === undefined) return { ...fromBlob(blob), fromCache: true };
      return { total: sidecar.bytes, pieces: storedPieces(handle, sidecar.bytes), fromCache: true };
    } catch (error) {
      if (nameOf(error) === 'NotFoundError') return undefined;
      throw failure('read', this.#source.url, error);
    }
  }

  /**
   * The same pieces, stored on the way; `pieces` itself when another tab is at it. When they fail, or whoever takes
   * them stops early, what was stored is removed. All pieces must have been taken for the file to count.
   */
  async keep(pieces: AsyncIterable<Uint8Array>, total: number | undefined, etag: string | null): Promise<AsyncIterable<Uint8Array>> {
    try {
      await this.#checkRoom(total ?? 0);
    } catch (error) {
      if (this.#wanted) throw error;
      return pieces; // nobody asked for a copy: the model loads without
    }
    try {
      const file = await this.#directory.getFileHandle(this.#name, { create: true });
      const handle = await lockPatiently(file);
      if (handle === undefined) return pieces;
      await this.#remove(sidecarName(this.#name));
      handle.truncate(0);
      return this.#storing(pieces, handle, total, etag);
    } catch (error) {
      throw failure('created', this.#source.url, error);
    }
  }

  async *#storing(pieces: AsyncIterable<Uint8Array>, handle: FileSystemSyncAccessHandle, total: number | undefined, etag: string | null): AsyncGenerator<Uint8Array> {
    let complete = false;
    try {
      let bytes = 0;
      for await (const piece of pieces) {
        await this.#write(handle, piece, bytes, total);
        bytes += piece.byteLength;
        yield piece;
      }
      await this.#complete(handle, bytes, etag);
      complete = true;
    } finally {
      handle.close(); // may be closed already, which is no error
      // What cannot be removed does no harm without its sidecar, and must not hide the first error.
      if (!complete) await this.#remove(this.#name).catch(() => {});
    }
  }

  async #write(handle: FileSystemSyncAccessHandle, piece: Uint8Array, at: number, total: number | undefined): Promise<void> {
    let written: number;
    try {
      written = handle.write(piece as Uint8Array<ArrayBuffer>, { at });
    } catch (error) {
      if (nameOf(error) !== 'QuotaExceededError') throw failure('written', this.#source.url, error);
      written = 0;
    }
    // Some browsers say that the disk is full by writing less.
    if (written < piece.byteLength) throw await this.#full(at + written, total);
  }

  /** Fails before the download rather than at its end. */
  async #checkRoom(total: number): Promise<void> {
    const { quota, usage } = await estimate();
    if (quota !== undefined && usage !== undefined && total > quota - usage) throw await this.#full(0, total);
  }

  async #full(written: number, total: number | undefined): Promise<PagelmError> {
    const { quota, usage } = await estimate();
    return new PagelmError('storage', `There is no room to store ${this.#source.url}: ${written} of ${total ?? 'an unknown number of'} bytes were written; this origin uses ${usage ?? 'an unknown number'} of ${quota ?? 'an unknown number'} bytes. Free some, or pass cache: 'none'.`);
  }

  async #readSidecar(): Promise<Sidecar | undefined> {
    try {
      const file = await this.#directory.getFileHandle(sidecarName(this.#name));
      const sidecar = JSON.parse(await (await file.getFile()).text()) as Partial<Sidecar> | null;
      const isOurs = sidecar?.version === 1 && typeof sidecar.bytes === 'number' && (sidecar.sha256 ?? null) === (this.#source.sha256 ?? null);
      return isOurs ? (sidecar as Sidecar) : undefined;
    } catch {
      return undefined; // not there, or not written to its end
    }
  }

  async #complete(body: FileSystemSyncAccessHandle, bytes: number, etag: string | null): Promise<void> {
    try {
      body.flush();
      body.close();
      await this.#writeSidecar({ version: 1, url: this.#source.url, bytes, sha256: this.#source.sha256 ?? null, etag });
    } catch (error) {
      throw failure('completed', this.#source.url, error);
    }
  }

  async #writeSidecar(sidecar: Sidecar): Promise<void> {
    const file = await this.#directory.getFileHandle(sidecarName(this.#name), { create: true });
    const handle = await file.createSyncAccessHandle();
    try {
      handle.truncate(0);
      handle.write(new TextEncoder().encode(JSON.stringify(sidecar)));
      handle.flush();
    } finally {
      handle.close();
    }
  }

  async #remove(name: string): Promise<void> {
    try {
      await this.#directory.removeEntry(name);
    } catch (error) {
      if (nameOf(error) !== 'NotFoundError') throw failure('removed', this.#source.url, error);
    }
  }
}

/** Reads `handle` to its end and closes it. */
async function* storedPieces(handle: FileSystemSyncAccessHandle, bytes: number): AsyncGenerator<Uint8Array> {
  try {
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, bytes));
    for (let at = 0; at < bytes; ) {
      const read = handle.read(buffer, { at });
      if (read === 0) throw new PagelmError('storage', `The stored file ends after ${at} of ${bytes} bytes. Delete this site's data, or pass cache: 'none'.`);
      yield buffer.subarray(0, Math.min(read, bytes - at));
      at += read;
    }
  } finally {
    handle.close();
  }
}

/** A sync access handle, or undefined when another one is open. */
async function lock(file: FileSystemFileHandle, options?: { mode: 'read-only' }): Promise<FileSystemSyncAccessHandle | undefined> {
  // Browsers that do not know `mode` ignore it and lock for this handle alone.
  const create: (options?: { mode: 'read-only' }) => Promise<FileSystemSyncAccessHandle> = file.createSyncAccessHandle.bind(file);
  try {
    return await create(options);
  } catch (error) {
    if (nameOf(error) === 'NoModificationAllowedError' || nameOf(error) === 'InvalidStateError') return undefined;
    throw error;
  }
}

/** {@link lock} for writing. A worker that was ended a moment ago may still hold the file. */
async function lockPatiently(file: FileSystemFileHandle): Promise<FileSystemSyncAccessHandle | undefined> {
  for (const pauseMs of [0, 50, 200]) {
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const handle = await lock(file);
    if (handle !== undefined) return handle;
  }
  return undefined;
}

async function estimate(): Promise<StorageEstimate> {
  try {
    return await navigator.storage.estimate();
  } catch {
    return {};
  }
}

function failure(what: string, url: string, cause: unknown): PagelmError {
  if (PagelmError.isInstance(cause)) return cause;
  return new PagelmError('storage', `The stored copy of ${url} cannot be ${what}: ${String(cause)}. Load again, or pass cache: 'none'.`, { cause });
}

function sidecarName(name: string): string {
  return `${name}.json`;
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}
