/** In the worker: the beginning of a file, without the rest. */
import { type ByteStream, fromBlob } from './byte-stream.js';
import { PagelmError } from './errors.js';
import { request } from './source.js';
import type { SourceData } from './protocol.js';

/** How much is asked for at first: the headers of models with small vocabularies are shorter. */
const FIRST_BYTES = 1024 * 1024;
/** The engine takes no longer header (`gguf::limits::MAX_HEADER_BYTES`). */
const HEADER_LIMIT = 64 * 1024 * 1024;

/**
 * A stream of the file that is meant to be left as soon as the header is complete: it asks for a piece, and then for as
 * much as a header may have, of which only what is taken is transferred, but for what is on its way.
 *
 * @throws {PagelmError} `network`, `storage`
 */
export async function openHead(source: SourceData, signal: AbortSignal): Promise<ByteStream> {
  if (source.kind === 'blob') return fromBlob(source.blob);
  const first = await request(source, false, signal, { Range: `bytes=0-${FIRST_BYTES - 1}` });
  const total = await totalOf(first, source, signal);
  return { total, pieces: headPieces(source, first, total, signal), fromCache: false };
}

async function* headPieces(source: SourceData & { kind: 'url' }, first: Response, total: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* body(first, source.url, signal);
  if (first.status !== 206 || total <= FIRST_BYTES) return;
  const last = Math.min(total, HEADER_LIMIT) - 1;
  const second = await request(source, false, signal, { Range: `bytes=${FIRST_BYTES}-${last}` });
  if (second.status !== 206 || second.headers.get('etag') !== first.headers.get('etag')) {
    await second.body?.cancel();
    throw new PagelmError('network', `${source.url} changed while it was read, or its server does not keep to ranges: try again.`);
  }
  yield* body(second, source.url, signal);
}

/** The bytes of an answer; leaving the loop ends the transfer. */
async function* body(response: Response, url: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return;
      yield value;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw new PagelmError('network', `Reading the beginning of ${url} broke off: ${String(cause)}. Try again.`, { cause });
  } finally {
    reader?.cancel().catch(() => {});
  }
}

/** Size of the whole file. A server of another origin may not let `Content-Range` be read; then it is asked again. */
async function totalOf(response: Response, source: SourceData & { kind: 'url' }, signal: AbortSignal): Promise<number> {
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  const range = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  const length = response.headers.get('content-length');
  if (response.status === 206 && range !== null) return Number(range[1]);
  if (response.status === 200 && length !== null && encoding === 'identity') return Number(length);
  const whole = response.status === 206 ? (await request(source, false, signal, {}, 'HEAD')).headers.get('content-length') : null;
  if (whole !== null) return Number(whole);
  await response.body?.cancel();
  throw new PagelmError('network', `The server does not say how long ${source.url} is: it must send Content-Length, without Content-Encoding.`);
}
