/**
 * In the worker: models on this device, in the folder `pagelm` of the origin private file system.
 *
 *     index.a, index.b      two journals of what there is (index-journal.ts)
 *     <sha256>              a complete file
 *     <key>.part, .log      an unfinished one, and the journal of what is there of it (part-file.ts)
 *
 * A file becomes complete in this order: its bytes, its log says that it is sealed, it gets its name, the index has it, the
 * log goes. Whatever comes in between, the next look finds every step that was done.
 */
import { type ByteStream, type ModelFacts, PIECE_BYTES, type Room, fromBlob } from './byte-stream.js';
import { Directory, nameOf } from './directory.js';
import { PagelmError } from './errors.js';
import { withIndex } from './index-journal.js';
import { parseJournal } from './journal.js';
import { type Release, takeLock } from './locks.js';
import { PartFile, progressIn, sealedIn } from './part-file.js';
import type { LoadSettings, RemotePart } from './protocol.js';
import type { StoredFile, StoredModel } from './store-index.js';
import { channelOf } from './tally.js';
import type { LoadProgress } from './types.js';

/** A complete file, kept from removal while it is read. */
export interface OpenStored {
  file: StoredFile;
  blob: Blob;
  /** Reads it once, to `room` where that is given and possible. */
  stream(room?: Room): Promise<ByteStream>;
  /** It may be removed again. */
  release: Release;
  /** Whether the index has a model whose first file this is; not so after a crash between the two. */
  beginsModel: boolean;
}

/** An unfinished file that nobody else works at. */
export interface OpenPart {
  key: string;
  file: PartFile;
  release: Release;
}

export class Store {
  readonly directory: Directory;

  constructor(directory: Directory) {
    this.directory = directory;
  }

  /** Undefined where there can be none and nobody insists. @throws {PagelmError} `storage` */
  static async open(cache: LoadSettings['cache']): Promise<Store | undefined> {
    if (cache === 'none') return undefined;
    try {
      return new Store(await Directory.open());
    } catch (cause) {
      if (cache === undefined) return undefined; // e.g. a private window; the download works without
      throw new PagelmError('storage', `cache is 'opfs', but the origin private file system cannot be used: ${String(cause)}. Leave cache out, or pass 'none'.`, { cause });
    }
  }

  /** The complete file that `part` names, if it is here. */
  async find(part: RemotePart): Promise<OpenStored | undefined> {
    const found = await withIndex(this.directory, (index) => {
      const file = index.find(part.url, part.sha256);
      return file && { file, beginsModel: index.models.has(file.sha256) };
    });
    return found && this.openStored(found.file, found.beginsModel);
  }

  /** Undefined, and forgotten, if it is not as the index has it. */
  async openStored(file: StoredFile, beginsModel = false): Promise<OpenStored | undefined> {
    const release = (await takeLock(useLock(file.sha256), { mode: 'shared' })) as Release;
    try {
      const blob = await this.directory.file(file.name);
      if (blob?.size === file.bytes) return { file, blob, release, beginsModel, stream: (room) => this.#stream(file, blob, room) };
    } catch (error) {
      await release();
      throw error;
    }
    await release();
    await withIndex(this.directory, (_, append) => append({ gone: file.sha256 }));
    return undefined;
  }

  async #stream(file: StoredFile, blob: Blob, room?: Room): Promise<ByteStream> {
    const handle = await this.directory.readHandle(file.name);
    // Locked by another tab that reads it: as a Blob it can be read all the same.
    if (handle === undefined) return { ...fromBlob(blob), fromCache: true };
    return { total: file.bytes, pieces: handlePieces(handle, file.bytes, room), fromCache: true };
  }

  /**
   * Waits for other tabs that work at the same file, and tells how far they are; what they have left is found by {@link find} then.
   */
  async openPart(part: RemotePart, signal: AbortSignal, hear?: (event: LoadProgress) => void): Promise<OpenPart> {
    const key = part.sha256 ?? (await sha256OfText(part.url));
    const lock = partLock(key);
    const release = (await takeLock(lock, { ifAvailable: true })) ?? (await waitFor(lock, signal, hear));
    try {
      await this.#recover(key);
      const file = await PartFile.open(this.directory, key);
      return { key, file, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** Makes an unfinished file a complete one. Its bytes are all there and have this hash. */
  async complete({ key, file }: OpenPart, url: string, sha256: string, total: number): Promise<StoredFile> {
    file.seal(sha256, total);
    file.close();
    return this.#place(key, url, sha256, total);
  }

  /** Ends what a crash has left half done. What another tab works at is left to it. */
  async sweep(): Promise<void> {
    const names = await this.directory.names();
    for (const key of new Set(names.flatMap((name) => /^(.*)\.(?:log|part)$/.exec(name)?.[1] ?? []))) {
      const release = await takeLock(partLock(key), { ifAvailable: true });
      if (release === undefined) continue;
      try {
        await this.#recover(key);
      } finally {
        await release();
      }
    }
    await withIndex(this.directory, async (index) => {
      const known = new Set(Array.from(index.files.values(), ({ name }) => name));
      // Removed from the index, and then the browser ended. What is sealed has been placed above.
      for (const name of await this.directory.names()) if (/^[0-9a-f]{64}$/.test(name) && !known.has(name)) await this.directory.remove(name);
    });
  }

  /** Ends what a crash has left between sealed and placed. The caller holds the lock of `key`. */
  async #recover(key: string): Promise<void> {
    const log = await this.directory.file(`${key}.log`);
    if (log === undefined) {
      const isPlaced = await withIndex(this.directory, (index) => [...index.files.values()].some(({ name }) => name === `${key}.part`));
      if (!isPlaced) await this.directory.remove(`${key}.part`);
      return;
    }
    const { records } = parseJournal(new Uint8Array(await log.arrayBuffer()));
    const sealed = sealedIn(records);
    if (sealed === undefined) {
      const { identity, bytes } = progressIn(records);
      return identity !== undefined && bytes > 0 ? undefined : this.#dropPart(key);
    }
    const { sha256, identity } = sealed;
    const sizes = await Promise.all([`${key}.part`, sha256].map(async (name) => (await this.directory.file(name))?.size));
    if (sizes.includes(identity.total)) await this.#place(key, identity.url, sha256, identity.total);
    else await this.#dropPart(key);
  }

  async #place(key: string, url: string, sha256: string, bytes: number): Promise<StoredFile> {
    const placed = await withIndex(this.directory, async (index, append) => {
      const known = index.files.get(sha256);
      if (known !== undefined) {
        append({ address: url, sha256 });
        return known;
      }
      const own = `${key}.part`;
      const isThere = (await this.directory.file(own))?.size === bytes;
      const name = !isThere || (await this.directory.rename(own, sha256)) ? sha256 : own;
      const file = { sha256, bytes, name };
      append({ file }, { address: url, sha256 });
      return file;
    });
    if (placed.name === `${key}.part`) await this.directory.remove(`${key}.log`);
    else await this.#dropPart(key);
    return placed;
  }

  /** The body first: a log without it claims nothing. */
  async #dropPart(key: string): Promise<void> {
    await this.directory.remove(`${key}.part`);
    await this.directory.remove(`${key}.log`);
  }

  /** Notes that these files, in this order, are a model, that it is used now, and what it turned out to be where that is known. */
  async noteModel(files: readonly StoredFile[], sources: readonly string[], info?: ModelFacts): Promise<void> {
    const now = Date.now();
    const id = files[0]?.sha256;
    if (id === undefined) return;
    const facts = info === undefined ? null : factsOf(info);
    await withIndex(this.directory, (index, append) => {
      const known = index.models.get(id);
      if (known !== undefined) {
        const isNew = facts !== null && JSON.stringify(known.facts) !== JSON.stringify(facts);
        return append({ used: id, at: now }, ...(isNew ? [{ facts, of: id }] : []));
      }
      if (files.some(({ sha256 }) => !index.files.has(sha256))) return; // removed meanwhile
      const model: StoredModel = { id, files: files.map(({ sha256 }) => sha256), sources: [...sources], addedAt: now, usedAt: now, pinned: false, facts };
      append({ model });
    });
  }

  /**
   * Removes complete files, and the model `id` with them. The index first: files without an entry are swept up, an entry
   * without its file would be a promise. Returns how many bytes that gives back.
   * @throws {PagelmError} `storage` while a tab reads one of them
   */
  async removeFiles(files: readonly StoredFile[], id?: string): Promise<number> {
    const locks: Release[] = [];
    try {
      for (const { sha256 } of files) {
        const release = await takeLock(useLock(sha256), { ifAvailable: true });
        if (release === undefined) throw new PagelmError('storage', `The model ${id ?? sha256} is being read by a tab of this site; try again when it has loaded.`);
        locks.push(release);
      }
      await withIndex(this.directory, (_, append) => append(...(id === undefined ? [] : [{ removed: id }]), ...files.map(({ sha256 }) => ({ gone: sha256 }))));
      for (const { name } of files) await this.directory.remove(name);
      return files.reduce((sum, { bytes }) => sum + bytes, 0);
    } finally {
      for (const release of locks) await release();
    }
  }

  /** Removes an unfinished download, unless a tab works at it. */
  async dropUnfinished(key: string): Promise<boolean> {
    const release = await takeLock(partLock(key), { ifAvailable: true });
    if (release === undefined) return false;
    try {
      await this.#dropPart(key);
      return true;
    } finally {
      await release();
    }
  }
}

async function waitFor(lock: string, signal: AbortSignal, hear?: (event: LoadProgress) => void): Promise<Release> {
  const channel = channelOf(lock);
  channel.onmessage = ({ data }: MessageEvent<LoadProgress>) => hear?.(data);
  try {
    return (await takeLock(lock, { signal })) as Release;
  } finally {
    channel.close();
  }
}

/** What is kept of what is known. */
function factsOf({ architecture, name, parameters, quantisation }: ModelFacts): ModelFacts {
  return { architecture, name, parameters, quantisation };
}

export const partLock = (key: string) => `pagelm:part:${key}`;
/** Shared by those who read the file, exclusive for removing it. */
export const useLock = (sha256: string) => `pagelm:use:${sha256}`;

export async function sha256OfText(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Reads `handle` to its end and closes it. */
async function* handlePieces(handle: FileSystemSyncAccessHandle, bytes: number, room: Room = roomOfItsOwn(bytes)): AsyncGenerator<Uint8Array> {
  try {
    let place = room;
    for (let at = 0; at < bytes; ) {
      let buffer = place();
      let read: number;
      try {
        read = handle.read(buffer, { at });
      } catch (error) {
        if (!(error instanceof TypeError) || place !== room) throw error;
        place = roomOfItsOwn(bytes); // a browser that does not read to shared memory
        buffer = place();
        read = handle.read(buffer, { at });
      }
      if (read === 0) throw new PagelmError('storage', `The stored file ends after ${at} of ${bytes} bytes. Remove the model, or pass cache: 'none'.`);
      yield buffer.subarray(0, Math.min(read, bytes - at));
      at += read;
    }
  } finally {
    handle.close();
  }
}

function roomOfItsOwn(bytes: number): Room {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, bytes));
  return () => buffer;
}

/** Numbers for messages; undefined where the browser does not tell. */
export async function roomLeft(): Promise<{ quota: number | undefined; usage: number | undefined }> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return { quota, usage };
  } catch {
    return { quota: undefined, usage: undefined };
  }
}

/** Whatever the file system threw, as `storage`. */
export function storageError(what: string, url: string, cause: unknown): unknown {
  if (PagelmError.isInstance(cause) || nameOf(cause) === 'AbortError') return cause;
  return new PagelmError('storage', `The stored copy of ${url} cannot be ${what}: ${String(cause)}. Load again, or pass cache: 'none'.`, { cause });
}
