/** In the worker: from a source to a stream of bytes. */
import { type ModelFacts, type ModelStream, type OpenFile, PIECE_BYTES, endToEnd, openBlob, readBlob } from './byte-stream.js';
import { Download, type DownloadContext, type Sink, checkRoom, closeSink } from './download.js';
import type { EngineModule } from './engine.js';
import { PagelmError } from './errors.js';
import { hashOnHub } from './hub-pointer.js';
import { PART_HEAD_BYTES } from './parts.js';
import type { Progress } from './progress.js';
import { type LoadSettings, type RemotePart, type SourceData, type WorkerEvent, isDownload } from './protocol.js';
import { bytesIn } from './ranges.js';
import { type RemoteContext, RemoteFile } from './remote-file.js';
import { type OpenPart, type OpenStored, Store, partLock, storageError } from './store.js';
import type { StoredFile } from './store-index.js';
import { makeRoom } from './store-calls.js';
import { Tally } from './tally.js';
import type { Evicted } from './store-types.js';

export interface SourceContext {
  /** May still be starting: nothing is hashed before the first bytes are there. */
  wasm: Pick<EngineModule, 'Hasher'> | Promise<Pick<EngineModule, 'Hasher'>>;
  progress: Progress;
  /** Hears of models that are removed to make room. */
  emit?(event: WorkerEvent): void;
  signal: AbortSignal;
}

type Settings = Pick<LoadSettings, 'cache' | 'download' | 'evict'>;

type RemoteSource = SourceData & { kind: 'urls' };

/** @throws {PagelmError} `network`, `storage`, `aborted`; the stream also `hash-mismatch` */
export async function openSource(source: SourceData, settings: Settings, context: SourceContext): Promise<ModelStream> {
  if (source.kind === 'blobs') return endToEnd(source.blobs.map(openBlob));
  const store = isDownload(source) ? await Store.open(settings.cache) : undefined;
  const opener = new Opener(source, store, settings, context);
  const files = await opener.openAll();
  return noted(endToEnd(files), files, source, store, () => opener.close());
}

/** The same stream; at its end the store knows the model. */
function noted(stream: ModelStream, files: readonly RemoteOpenFile[], source: RemoteSource, store: Store | undefined, close: () => void): ModelStream {
  if (store === undefined) return stream;
  const note = async (facts?: ModelFacts) => {
    const stored = files.map((file) => file.stored);
    if (stored.every((file): file is StoredFile => file !== undefined)) await store.noteModel(stored, source.parts.map(({ url }) => url), facts);
  };
  return {
    ...stream,
    async *pieces(room) {
      yield* stream.pieces(room);
      // Of a model that is known only the time of its last use is noted, once it has loaded.
      if (files[0]?.beginsModel !== true) await note();
    },
    describe: note,
    tidy: () => store.sweep(),
    async refuse(keepsEarlier) {
      await this.close();
      for (const file of files) await file.refuse?.(keepsEarlier);
    },
    async close() {
      close();
      await stream.close();
    },
  };
}

/** A file that the store has, or had in the end. */
type RemoteOpenFile = OpenFile & { readonly stored: StoredFile | undefined; readonly beginsModel?: boolean; refuse?(keepsEarlier: boolean): Promise<void> };

class Opener {
  readonly #source: RemoteSource;
  readonly #store: Store | undefined;
  readonly #isCopyWanted: boolean;
  readonly #progress: Progress;
  readonly #remote: RemoteContext;
  readonly #download: DownloadContext;
  readonly #evicted: ((evicted: Evicted) => void) | undefined;
  /** Bytes that the files so far will take in the store. */
  #promised = 0;

  constructor(source: RemoteSource, store: Store | undefined, settings: Settings, { wasm, progress, emit, signal }: SourceContext) {
    this.#source = source;
    this.#store = store;
    this.#isCopyWanted = settings.cache === 'opfs';
    this.#progress = progress;
    this.#evicted = settings.evict && ((evicted) => emit?.({ type: 'evicted', ...evicted }));
    this.#remote = { headers: source.headers ?? {}, settings: settings.download, signal };
    this.#download = { wasm, tally: new Tally(progress), settings: settings.download, signal, isCopyWanted: this.#isCopyWanted };
  }

  /** All files of the model; the later ones a few at a time. */
  async openAll(): Promise<RemoteOpenFile[]> {
    const { parts } = this.#source;
    const files: RemoteOpenFile[] = [];
    try {
      // The first alone: of two tabs that load one model, one then waits here for the other.
      for (let next = 0; next < parts.length; next = files.length) {
        const some = parts.slice(next, next === 0 ? 1 : next + this.#download.settings.connections);
        const opened = await Promise.allSettled(some.map((part, i) => this.#open(part, next + i === 0 ? PIECE_BYTES : PART_HEAD_BYTES)));
        for (const one of opened) if (one.status === 'fulfilled') files.push(one.value);
        const failed = opened.find((one) => one.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
      }
      return files;
    } catch (error) {
      this.close();
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
  }

  close(): void {
    this.#download.tally.close();
  }

  async #open(part: RemotePart, headBytes: number): Promise<RemoteOpenFile> {
    const sink = await this.#openSink(part);
    if (sink !== undefined && 'file' in sink) return openStored(sink);
    try {
      return await this.#openRemote(part, headBytes, sink);
    } catch (error) {
      await closeSink(sink);
      throw error;
    }
  }

  /** The stored file, or a place for it; undefined without a store. */
  async #openSink(part: RemotePart): Promise<OpenStored | Sink | undefined> {
    const store = this.#store;
    if (store === undefined) return undefined;
    let opened: OpenPart | undefined;
    try {
      const stored = await store.find(part);
      if (stored !== undefined) return stored;
      opened = await store.openPart(part, this.#remote.signal, (event) => this.#progress.report(event.type, event.loaded, event.total));
      // Another tab may have got it meanwhile.
      const found = await store.find(part);
      if (found === undefined) {
        if (part === this.#source.parts[0]) this.#download.tally.share(partLock(opened.key));
        return { store, part: opened };
      }
      await closeSink({ store, part: opened });
      return found;
    } catch (cause) {
      if (opened !== undefined) await closeSink({ store, part: opened });
      this.#remote.signal.throwIfAborted();
      if (this.#isCopyWanted) throw storageError('opened', part.url, cause);
      return undefined; // nobody asked for a copy: the model loads without
    }
  }

  async #openRemote(part: RemotePart, headBytes: number, sink: Sink | undefined): Promise<RemoteOpenFile> {
    // Of what is here already a byte is enough to see whether it still is the same file.
    const isBegun = sink?.part.file.covers(0, 1) === true;
    const remote = await RemoteFile.open(part, isBegun ? 1 : headBytes, this.#remote);
    try {
      if (part.sha256 === undefined) remote.sha256 ??= await hashOnHub(part, remote.total, this.#remote);
      const stored = await this.#sameContent(part, remote);
      if (stored !== undefined) {
        remote.close();
        await closeSink(sink);
        return openStored(stored);
      }
      if (remote.total === undefined) return await this.#collect(part, remote, sink);
      return new Download(part, remote, remote.total, await this.#begin(part, remote, remote.total, sink), this.#download);
    } catch (error) {
      remote.close();
      throw error;
    }
  }

  /** The store's copy of what the hub says that this is, from another address. */
  async #sameContent({ url, sha256 }: RemotePart, remote: RemoteFile): Promise<OpenStored | undefined> {
    if (sha256 !== undefined || remote.sha256 === undefined) return undefined;
    return this.#store?.find({ url, sha256: remote.sha256 });
  }

  /** The sink, ready for this file; undefined if there is no room and nobody insists. */
  async #begin({ url, sha256 }: RemotePart, remote: RemoteFile, total: number, sink: Sink | undefined): Promise<Sink | undefined> {
    if (sink === undefined) return undefined;
    const { file } = sink.part;
    try {
      if (!remote.hasRanges) file.clear();
      file.begin({ url, total, sha256: sha256 ?? remote.sha256 ?? null, ...remote.validators });
      this.#promised += total - bytesIn(file.ranges);
      const needed = this.#promised;
      if (this.#evicted !== undefined) await makeRoom(sink.store, needed, sink.part.key, this.#evicted);
      await checkRoom(url, needed);
      return sink;
    } catch (cause) {
      if (this.#isCopyWanted) throw storageError('begun', url, cause);
      await closeSink(sink);
      return undefined;
    }
  }

  /** The engine must know the size before the first byte, so a body of unknown length is had first and then read. */
  async #collect(part: RemotePart, remote: RemoteFile, sink: Sink | undefined): Promise<RemoteOpenFile> {
    const { wasm, tally } = this.#download;
    const expected = part.sha256 ?? remote.sha256;
    const hasher = new (await wasm).Hasher();
    try {
      tally.expect(undefined, 0);
      sink?.part.file.clear();
      let total = 0;
      const received = async function* () {
        for await (const chunk of remote.whole(expected !== undefined)) {
          hasher.update(chunk);
          total += chunk.byteLength;
          tally.received(chunk.byteLength);
          yield chunk;
        }
      };
      const blob = sink === undefined ? await collectBlob(received()) : await this.#collectStored(part, received(), sink);
      tally.ended(total);
      const actual = hasher.hex();
      if (expected !== undefined && actual !== expected) {
        await sink?.part.file.discard();
        throw new PagelmError('hash-mismatch', `The ${total} bytes of ${part.url} have the SHA-256 ${actual}, but ${expected} was asked for. Nothing of them was kept; check the address and the hash.`);
      }
      if (blob !== undefined || sink === undefined) return { ...openBlob(blob as Blob), stored: undefined };
      sink.part.file.name({ url: part.url, total, sha256: actual, ...remote.validators });
      const stored = await sink.store.openStored(await sink.store.complete(sink.part, part.url, actual, total));
      await closeSink(sink);
      if (stored === undefined) throw new PagelmError('storage', 'The file that was just stored cannot be read back. Load again, or pass cache: \'none\'.');
      return { ...openStored(stored), fromCache: false };
    } finally {
      hasher.free();
    }
  }

  async #collectStored(part: RemotePart, received: AsyncIterable<Uint8Array>, sink: Sink): Promise<undefined> {
    let at = 0;
    for await (const chunk of received) {
      try {
        sink.part.file.write(chunk, at);
      } catch (cause) {
        throw storageError('written', part.url, cause);
      }
      at += chunk.byteLength;
    }
  }
}

export function openStored(stored: OpenStored): RemoteOpenFile {
  return {
    bytes: stored.file.bytes,
    fromCache: true,
    stored: stored.file,
    beginsModel: stored.beginsModel,
    head: (bytes) => readBlob(stored.blob, 0, bytes),
    async *pieces(room) {
      yield* (await stored.stream(room)).pieces;
    },
    close: () => stored.release(),
  };
}

async function collectBlob(pieces: AsyncIterable<Uint8Array>): Promise<Blob> {
  const iterator = pieces[Symbol.asyncIterator]();
  let failure: unknown;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        failure = error;
        throw error;
      }
    },
  });
  try {
    return await new Response(body).blob();
  } catch (error) {
    throw failure ?? error; // browsers put one of their own in its place
  }
}
