import { PagelmError } from './errors.js';

/** How much is read from a Blob or a stored file at once. */
export const PIECE_BYTES = 4 * 1024 * 1024;

/** A file's bytes, once. */
export interface ByteStream {
  /** Size of the file in bytes. */
  readonly total: number;
  /** Each piece is valid only until the next one is asked for: buffers are reused. */
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly fromCache: boolean;
}

export function fromBlob(blob: Blob): ByteStream {
  return { total: blob.size, pieces: blobPieces(blob), fromCache: false };
}

async function* blobPieces(blob: Blob): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < blob.size; start += PIECE_BYTES) {
    try {
      yield new Uint8Array(await blob.slice(start, start + PIECE_BYTES).arrayBuffer());
    } catch (cause) {
      throw new PagelmError('storage', `The Blob cannot be read at byte ${start} of ${blob.size}: ${String(cause)}. If it is a file that has changed or moved, choose it again.`, { cause });
    }
  }
}
