/**
 * In the worker: an unfinished download in the store. `<key>.part` holds bytes, `<key>.log` is a journal of which of them
 * are there: first what the file is, then ranges, and in the end that it is complete. Bytes are on the disk before the
 * journal speaks of them.
 */
import { Journal, writeFully } from './journal.js';
import type { Directory } from './directory.js';
import { type Range, bytesIn, covers, withRange } from './ranges.js';
import type { Validators } from './remote-file.js';

/** How much is written, or how long, before the journal is brought up to date; a crash loses no more. */
const SYNC_BYTES = 4 * 1024 * 1024;
const SYNC_MS = 1000;

/** What a part is a part of. */
export interface Identity extends Validators {
  url: string;
  total: number;
  /** What the bytes must have, if that is known. */
  sha256: string | null;
}

type LogRecord = { is: Identity } | { has: [number, number][] } | { sealed: string };

export class PartFile {
  readonly #directory: Directory;
  readonly #key: string;
  readonly #body: FileSystemSyncAccessHandle;
  readonly #log: Journal;
  #identity: Identity | undefined;
  #ranges: Range[] = [];
  /** Written, and not yet in the journal. */
  #pending: Range[] = [];
  #syncedAt = performance.now();
  #isOpen = true;

  private constructor(directory: Directory, key: string, body: FileSystemSyncAccessHandle, log: Journal) {
    this.#directory = directory;
    this.#key = key;
    this.#body = body;
    this.#log = log;
    for (const record of log.read() as LogRecord[]) this.#replay(record);
  }

  /** Whoever calls holds the lock of `key`. */
  static async open(directory: Directory, key: string): Promise<PartFile> {
    const body = await directory.handle(`${key}.part`);
    try {
      return new PartFile(directory, key, body, new Journal(await directory.handle(`${key}.log`)));
    } catch (error) {
      body.close();
      throw error;
    }
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  /** Keeps what is there if it is of `identity`, and drops it otherwise. */
  begin(identity: Identity): void {
    if (this.#identity !== undefined && isSame(this.#identity, identity)) return;
    this.clear();
    this.name(identity);
  }

  /** Says what the bytes that were written without {@link begin} are. */
  name(identity: Identity): void {
    this.#identity = identity;
    this.#log.append({ is: identity } satisfies LogRecord);
  }

  clear(): void {
    this.#log.clear();
    this.#body.truncate(0);
    this.#identity = undefined;
    this.#ranges = [];
    this.#pending = [];
  }

  /** A copy of bytes that {@link ranges} covers. */
  read(start: number, end: number): Uint8Array {
    const bytes = new Uint8Array(end - start);
    const read = this.#body.read(bytes, { at: start });
    if (read < bytes.byteLength) throw new Error(`the unfinished file ends at byte ${start + read}, its journal has it up to ${end}`);
    return bytes;
  }

  /** @throws {DOMException} `QuotaExceededError` */
  write(bytes: Uint8Array, at: number): void {
    if (!this.#isOpen) return;
    writeFully(this.#body, bytes, at);
    const range = { start: at, end: at + bytes.byteLength };
    this.#ranges = withRange(this.#ranges, range);
    this.#pending = withRange(this.#pending, range);
    if (bytesIn(this.#pending) >= SYNC_BYTES || performance.now() - this.#syncedAt >= SYNC_MS) this.sync();
  }

  sync(): void {
    this.#syncedAt = performance.now();
    if (!this.#isOpen || this.#pending.length === 0) return;
    this.#body.flush();
    this.#log.append({ has: this.#pending.map(({ start, end }) => [start, end]) } satisfies LogRecord);
    this.#pending = [];
  }

  /** Every byte is there and they have this hash; the file can become what it is a part of. */
  seal(sha256: string, total: number): void {
    this.#body.truncate(total);
    this.#body.flush();
    this.#log.append({ sealed: sha256 } satisfies LogRecord);
  }

  /** Leaves it for another time. Closing twice is fine. */
  close(): void {
    if (!this.#isOpen) return;
    try {
      this.sync();
    } finally {
      this.#isOpen = false;
      this.#body.close();
      this.#log.close();
    }
  }

  /** {@link close}, without leaving a trace if there is nothing in it. */
  async leave(): Promise<void> {
    if (this.#isOpen && this.#ranges.length === 0) return this.discard();
    this.close();
  }

  /** Leaves nothing of it. */
  async discard(): Promise<void> {
    this.#pending = [];
    this.close();
    await this.#directory.remove(`${this.#key}.log`);
    await this.#directory.remove(`${this.#key}.part`);
  }

  #replay(record: LogRecord): void {
    const size = this.#body.getSize();
    if ('is' in record) this.#identity = record.is;
    // A browser that loses the end of a file loses the claim to it as well.
    else if ('has' in record) for (const [start, end] of record.has) if (end <= size) this.#ranges = withRange(this.#ranges, { start, end });
  }

  covers(start: number, end: number): boolean {
    return covers(this.#ranges, start, end);
  }
}

/** Whether bytes of one and bytes of the other make one file. Without a hash or a proof of the server's nobody knows. */
function isSame(a: Identity, b: Identity): boolean {
  if (a.url !== b.url && (a.sha256 === null || a.sha256 !== b.sha256)) return false;
  if (a.total !== b.total || (a.sha256 !== null && b.sha256 !== null && a.sha256 !== b.sha256)) return false;
  if (a.etag !== null && b.etag !== null) return a.etag === b.etag;
  if (a.lastModified !== null && b.lastModified !== null) return a.lastModified === b.lastModified;
  return a.sha256 !== null && a.sha256 === b.sha256;
}

/** What a journal says of an unfinished file: what it is of, and how many bytes of it are there. Without the first nothing can go on with it. */
export function progressIn(records: readonly unknown[]): { identity: Identity | undefined; bytes: number } {
  let identity: Identity | undefined;
  let ranges: Range[] = [];
  for (const record of records as LogRecord[]) {
    if ('is' in record) identity = record.is;
    else if ('has' in record) for (const [start, end] of record.has) ranges = withRange(ranges, { start, end });
  }
  return { identity, bytes: bytesIn(ranges) };
}

/** What a journal says of a complete file that has not found its place yet, if it does. */
export function sealedIn(records: readonly unknown[]): { sha256: string; identity: Identity } | undefined {
  const all = records as LogRecord[];
  const identity = all.find((record) => 'is' in record);
  const sealed = all.find((record) => 'sealed' in record);
  return identity && sealed && { sha256: sealed.sealed, identity: identity.is };
}

