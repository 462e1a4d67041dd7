/** In the worker: the beginning of a file, without the rest. */
import { type ByteStream, fromBlob } from './byte-stream.js';
import { PagelmError } from './errors.js';
import { request } from './source.js';
import type { SourceData } from './protocol.js';

/**
 * Where requests end, in bytes: the first is enough for small vocabularies, the second for all that are known (the header of
 * Llama 3.2 has 7.8 MB), the last for the longest header that the engine takes (`gguf::limits::MAX_HEADER_BYTES`).
 */
const ENDS = [1, 8, 16, 32, 64].map((mib) => mib * 1024 * 1024);

/** Makes the engine look whether the header is complete before more is asked for. */
const LOOK = new Uint8Array(0);

/**
 * A stream of the file that is meant to be left as soon as the header is complete. Requests are not open-ended, although
 * leaving the stream ends the transfer: at the speed of a network near by, tens of megabytes are then on their way.
 *
 * @throws {PagelmError} `network`, `storage`
 */
export async function openHead(source: SourceData, signal: AbortSignal): Promise<ByteStream> {
  if (source.kind === 'blob') return fromBlob(source.blob);
  const first = await requestRange(source, 0, ENDS[0]!, signal);
  const total = await totalOf(first, source, signal);
  return { total, pieces: headPieces(source, first, total, signal), fromCache: false };
}

function requestRange(source: SourceData & { kind: 'url' }, start: number, end: number, signal: AbortSignal): Promise<Response> {
  return request(source, false, signal, { Range: `bytes=${start}-${end - 1}` });
}

async function* headPieces(source: SourceData & { kind: 'url' }, first: Response, total: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* body(first, source.url, signal);
  yield LOOK;
  let start = ENDS[0]!;
  for (const end of ENDS.slice(1)) {
    if (first.status !== 206 || total <= start) return;
    const next = await requestRange(source, start, Math.min(end, total), signal);
    if (next.status !== 206 || next.headers.get('etag') !== first.headers.get('etag')) {
      await next.body?.cancel();
      throw new PagelmError('network', `${source.url} changed while it was read, or its server does not keep to ranges: try again.`);
    }
    yield* body(next, source.url, signal);
    yield LOOK;
    start = end;
  }
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
