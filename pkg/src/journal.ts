/**
 * In the worker: a file of records that only grows. A record is a line, its checksum and its JSON; a crash in the middle of
 * one leaves a line without a good checksum, and reading ends before it.
 */

/** What is needed of a `FileSystemSyncAccessHandle`. */
export interface Handle {
  read(buffer: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/** Longer ones are no journal of ours, and are not read into memory. */
const MAX_BYTES = 64 * 1024 * 1024;

export class Journal {
  readonly #handle: Handle;
  #end = 0;

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** The records up to the first bad one; what follows is forgotten, and overwritten by the next append. */
  read(): unknown[] {
    const { records, end } = parseJournal(readAll(this.#handle));
    this.#end = end;
    return records;
  }

  /** Adds records; they are there for good when this returns. */
  append(...records: unknown[]): void {
    const bytes = new TextEncoder().encode(records.map(lineOf).join(''));
    // Whatever a crash has left behind must not follow.
    if (this.#handle.getSize() > this.#end) this.#handle.truncate(this.#end);
    writeFully(this.#handle, bytes, this.#end);
    this.#end += bytes.byteLength;
    this.#handle.flush();
  }

  clear(): void {
    this.#end = 0;
    this.#handle.truncate(0);
    this.#handle.flush();
  }

  close(): void {
    this.#handle.close();
  }
}

/** @returns the records up to the first bad one, and where it begins */
export function parseJournal(bytes: Uint8Array): { records: unknown[]; end: number } {
  const records: unknown[] = [];
  let end = 0;
  for (;;) {
    const newline = bytes.indexOf(10, end);
    if (newline < 0) return { records, end };
    const line = new TextDecoder().decode(bytes.subarray(end, newline));
    const json = line.slice(9);
    if (line.slice(0, 9) !== `${checksum(json)} `) return { records, end };
    try {
      records.push(JSON.parse(json));
    } catch {
      return { records, end };
    }
    end = newline + 1;
  }
}

export function lineOf(record: unknown): string {
  const json = JSON.stringify(record);
  return `${checksum(json)} ${json}\n`;
}

/** FNV-1a of 32 bits over UTF-16 units: it has to notice accidents, not attacks. */
function checksum(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

function readAll(handle: Handle): Uint8Array {
  const size = handle.getSize();
  if (size > MAX_BYTES) return new Uint8Array();
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, handle.read(bytes, { at: 0 }));
}

/** @throws {DOMException} `QuotaExceededError` also where a browser says so by writing less */
export function writeFully(handle: Handle, bytes: Uint8Array, at: number): void {
  const written = handle.write(bytes as Uint8Array<ArrayBuffer>, { at });
  if (written < bytes.byteLength) throw new DOMException(`only ${written} of ${bytes.byteLength} bytes were written`, 'QuotaExceededError');
}
