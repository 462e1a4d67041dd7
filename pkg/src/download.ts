/** In the worker: one file on its way from a server to the engine, and into the store beside it. */
import { type OpenFile, PIECE_BYTES } from './byte-stream.js';
import type { EngineModule, Hasher } from './engine.js';
import { nameOf } from './directory.js';
import { PagelmError } from './errors.js';
import { Lanes } from './lanes.js';
import type { DownloadSettings, RemotePart } from './protocol.js';
import { type Range, bytesIn, cut, missingIn } from './ranges.js';
import type { RemoteFile } from './remote-file.js';
import { type OpenPart, type Store, roomLeft, storageError } from './store.js';
import type { StoredFile } from './store-index.js';
import type { Tally } from './tally.js';

/** How much of a range is collected before it is written. */
const WRITE_BYTES = 256 * 1024;

export interface DownloadContext {
  /** May still be starting: nothing is hashed before the first bytes are there. */
  wasm: Pick<EngineModule, 'Hasher'> | Promise<Pick<EngineModule, 'Hasher'>>;
  tally: Tally;
  settings: DownloadSettings;
  signal: AbortSignal;
  /** Whether the caller asked for a copy, so that having no room for it is an error. */
  isCopyWanted: boolean;
}

/** Where a download is kept. */
export interface Sink {
  store: Store;
  part: OpenPart;
}

export class Download implements OpenFile {
  readonly bytes: number;
  readonly fromCache = false;
  /** What it became in the store; undefined before the end, and without one. */
  stored: StoredFile | undefined;
  readonly #part: RemotePart;
  readonly #remote: RemoteFile;
  readonly #context: DownloadContext;
  readonly #expected: string | undefined;
  #sink: Sink | undefined;
  /** Bytes of it that an earlier load has left in the store. */
  readonly #earlier: number;
  /** There is no room for more; what is there can be read. */
  #isFull = false;
  /** The first bytes, in memory. */
  #head: Uint8Array;
  /** Without ranges: the body, of which {@link #head} was read. */
  #body: AsyncGenerator<Uint8Array> | undefined;
  #isOpen = true;

  /** The size must be known; the sink must have begun with it. */
  constructor(part: RemotePart, remote: RemoteFile, total: number, sink: Sink | undefined, context: DownloadContext) {
    this.#part = part;
    this.#remote = remote;
    this.#sink = sink;
    this.#context = context;
    this.bytes = total;
    this.#head = remote.head ?? new Uint8Array();
    this.#expected = part.sha256 ?? remote.sha256;
    if (!remote.hasRanges) this.#body = remote.whole(this.#expected !== undefined);
    this.#earlier = sink === undefined ? 0 : bytesIn(sink.part.file.ranges);
    this.#store(this.#head, 0);
    context.tally.expect(total, sink === undefined ? this.#head.byteLength : bytesIn(sink.part.file.ranges));
    if (this.#expected !== undefined) context.tally.expectHashing(total);
  }

  async head(bytes: number): Promise<Uint8Array> {
    const wanted = Math.min(bytes, this.bytes);
    while (this.#head.byteLength < wanted) {
      const more = this.#body === undefined ? await this.#ranged(this.#head.byteLength, wanted) : (await this.#body.next()).value;
      if (more === undefined) break;
      this.#head = joined(this.#head, more);
    }
    return this.#head.slice(0, wanted);
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    const needsHash = this.#expected !== undefined || this.#sink !== undefined;
    const hasher = needsHash ? new (await this.#context.wasm).Hasher() : undefined;
    try {
      for await (const piece of this.#inOrder()) {
        hasher?.update(piece);
        if (this.#expected !== undefined) this.#context.tally.hashed(piece.byteLength);
        yield piece;
      }
      if (hasher !== undefined) await this.#finish(hasher);
    } finally {
      hasher?.free();
      await this.close();
    }
  }

  /** What is not complete stays for another time, unless it would begin anew then: without byte ranges there is no going on. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#remote.close();
    if (this.#body !== undefined && this.stored === undefined) await this.#discard();
    await closeSink(this.#sink);
  }

  /** {@link close}; if it is not complete, nothing of it stays, unless an earlier load has begun it and `keepsEarlier`. */
  async refuse(keepsEarlier: boolean): Promise<void> {
    await this.close();
    if (keepsEarlier && this.#earlier > 0) return;
    if (this.#sink !== undefined && this.stored === undefined) await this.#sink.store.dropUnfinished(this.#sink.part.key);
  }

  async *#inOrder(): AsyncGenerator<Uint8Array> {
    this.#context.tally.received(0); // what came while it was opened may have been all
    if (this.#head.byteLength > 0) yield this.#head;
    if (this.#body === undefined) yield* this.#rest();
    else yield* this.#bodyRest(this.#body);
  }

  async *#bodyRest(body: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
    let at = this.#head.byteLength;
    this.#store(this.#head, 0);
    this.#context.tally.received(at);
    for await (const chunk of body) {
      this.#store(chunk, at);
      at += chunk.byteLength;
      this.#context.tally.received(chunk.byteLength);
      yield chunk;
    }
  }

  /** After the head: what is stored, and what is fetched in several ranges at a time. */
  async *#rest(): AsyncGenerator<Uint8Array> {
    const { settings, signal } = this.#context;
    const stop = new AbortController();
    const abort = () => stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const from = this.#head.byteLength;
    const have = [{ start: 0, end: from }, ...(this.#sink?.part.file.ranges ?? [])].sort((a, b) => a.start - b.start);
    const missing = cut(missingIn(have, this.bytes), PIECE_BYTES);
    const lanes = new Lanes(missing, settings.connections, (range) => this.#fetch(range, stop.signal));
    try {
      let at = from;
      for (const range of missing) {
        yield* this.#storedPieces(at, range.start);
        yield await lanes.take();
        at = range.end;
      }
      yield* this.#storedPieces(at, this.bytes);
    } finally {
      signal.removeEventListener('abort', abort);
      stop.abort();
      await lanes.settled();
    }
  }

  *#storedPieces(start: number, end: number): Generator<Uint8Array> {
    for (const range of cut([{ start, end }], PIECE_BYTES)) {
      try {
        yield (this.#sink as Sink).part.file.read(range.start, range.end);
      } catch (cause) {
        throw storageError('read', this.#part.url, cause);
      }
    }
  }

  async #ranged(start: number, end: number): Promise<Uint8Array> {
    const file = this.#sink?.part.file;
    return file?.covers(start, end) ? file.read(start, end) : this.#fetch({ start, end }, this.#context.signal);
  }

  async #fetch({ start, end }: Range, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - start);
    let received = 0;
    let written = 0;
    const write = () => {
      const from = written;
      written = received; // also when it fails: once is enough
      this.#store(bytes.subarray(from, received), start + from);
    };
    try {
      await this.#remote.range(start, end, (chunk, at) => {
        bytes.set(chunk, at - start);
        received = at - start + chunk.byteLength;
        this.#context.tally.received(chunk.byteLength);
        if (received - written >= WRITE_BYTES) write();
      }, signal);
    } finally {
      if (received > written) write();
    }
    return bytes;
  }

  #store(bytes: Uint8Array, at: number): void {
    const file = this.#sink?.part.file;
    if (file === undefined || this.#isFull || bytes.byteLength === 0 || file.covers(at, at + bytes.byteLength)) return;
    try {
      file.write(bytes, at);
    } catch (cause) {
      if (nameOf(cause) !== 'QuotaExceededError') throw storageError('written', this.#part.url, cause);
      if (this.#context.isCopyWanted) {
        throw new PagelmError('storage', `There is no room left to store ${this.#part.url}: the disk or this origin's share of it is full at byte ${at} of ${this.bytes}. Free some, or pass cache: 'none'; what is stored is not fetched again.`, { cause });
      }
      this.#isFull = true; // nobody asked for a copy: the model loads without
    }
  }

  async #finish(hasher: Hasher): Promise<void> {
    const actual = hasher.hex();
    if (this.#expected !== undefined && actual !== this.#expected) {
      await this.#discard();
      const whose = this.#part.sha256 === undefined ? 'the hub promises' : 'was asked for';
      throw new PagelmError('hash-mismatch', `The ${this.bytes} bytes of ${this.#part.url} have the SHA-256 ${actual}, but ${this.#expected} ${whose}. Nothing of them was kept; check the address and the hash.`);
    }
    if (this.#sink === undefined || this.#isFull) return void (this.#isFull && (await this.#discard()));
    try {
      const { store, part } = this.#sink;
      this.stored = await store.complete(part, this.#part.url, actual, this.bytes);
    } catch (cause) {
      throw storageError('completed', this.#part.url, cause);
    }
  }

  async #discard(): Promise<void> {
    await this.#sink?.part.file.discard().catch(() => {}); // the first error is the one that counts
  }
}

/** Leaves an unfinished file for another time. */
export async function closeSink(sink: Sink | undefined): Promise<void> {
  if (sink === undefined) return;
  try {
    await sink.part.file.leave();
  } finally {
    await sink.part.release();
  }
}

/** Whether `bytes` more would fit. @throws {PagelmError} `storage` with the numbers */
export async function checkRoom(url: string, bytes: number): Promise<void> {
  const { quota, usage } = await roomLeft();
  if (quota === undefined || usage === undefined || bytes <= quota - usage) return;
  throw new PagelmError('storage', `There is no room to store ${url}: it needs ${bytes} more bytes, and this origin uses ${usage} of the ${quota} bytes that it may. Remove models that are not needed, or pass cache: 'none'.`);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.byteLength + b.byteLength);
  both.set(a);
  both.set(b, a.byteLength);
  return both;
}
