import { PagelmError } from './errors.js';

/** How much is read from a Blob or a stored file, or fetched, at once. */
export const PIECE_BYTES = 4 * 1024 * 1024;

/** Where a piece may be read to, at least {@link PIECE_BYTES} long; asked for before each one, since the memory may have moved. */
export type Room = () => Uint8Array;

/** A file's bytes, once. */
export interface ByteStream {
  /** Size of the file in bytes. */
  readonly total: number;
  /** Each piece is valid only until the next one is asked for: buffers are reused. */
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly fromCache: boolean;
}

/** A file of which the beginning can be had before the rest. */
export interface OpenFile {
  readonly bytes: number;
  readonly fromCache: boolean;
  /** A copy of the first bytes; not after {@link pieces} was called. */
  head(bytes: number): Promise<Uint8Array>;
  /** All bytes, once. Each piece is valid only until the next one is asked for; it is in `room` if that saves a copy. */
  pieces(room?: Room): AsyncIterable<Uint8Array>;
  /** Gives back what it holds; nothing after it. Closing twice is fine. */
  close(): Promise<void>;
}

/** What a list of stored models shows. */
export interface ModelFacts {
  architecture: string;
  name: string;
  parameters: number;
  quantisation: string;
}

/** The files of a model, end to end. */
export interface ModelStream {
  readonly files: readonly OpenFile[];
  readonly total: number;
  /** True when no request was made. */
  readonly fromCache: boolean;
  /** Once; as {@link OpenFile.pieces}. */
  pieces(room?: Room): AsyncIterable<Uint8Array>;
  /** Tells the store what the model turned out to be, and that it is used now. */
  describe?(info: ModelFacts): Promise<void>;
  /** Lets the store tidy up; nobody needs to wait. */
  tidy?(): Promise<void>;
  /** {@link close}, and leaves nothing of it in the store; with `keepsEarlier`, what an earlier load has left there. */
  refuse?(keepsEarlier: boolean): Promise<void>;
  /** Gives back what it holds, read or not. */
  close(): Promise<void>;
}

export function endToEnd(files: readonly OpenFile[]): ModelStream {
  return {
    files,
    total: files.reduce((sum, { bytes }) => sum + bytes, 0),
    fromCache: files.every(({ fromCache }) => fromCache),
    async *pieces(room) {
      for (const file of files) {
        yield* file.pieces(room);
        await file.close();
      }
    },
    async close() {
      await Promise.all(files.map((file) => file.close()));
    },
  };
}

export function fromBlob(blob: Blob): ByteStream {
  return { total: blob.size, pieces: blobPieces(blob), fromCache: false };
}

export function openBlob(blob: Blob): OpenFile {
  return {
    bytes: blob.size,
    fromCache: false,
    head: (bytes) => readBlob(blob, 0, bytes),
    pieces: () => blobPieces(blob),
    async close() {},
  };
}

async function* blobPieces(blob: Blob): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < blob.size; start += PIECE_BYTES) yield await readBlob(blob, start, start + PIECE_BYTES);
}

/** @throws {PagelmError} `storage` */
export async function readBlob(blob: Blob, start: number, end: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.slice(start, end).arrayBuffer());
  } catch (cause) {
    throw new PagelmError('storage', `The Blob cannot be read at byte ${start} of ${blob.size}: ${String(cause)}. If it is a file that has changed or moved, choose it again.`, { cause });
  }
}
