/** In the worker: from a source to a stream of bytes. */
import { type ByteStream, fromBlob } from './byte-stream.js';
import type { EngineModule } from './engine.js';
import { PagelmError } from './errors.js';
import type { Progress } from './progress.js';
import type { LoadSettings, SourceData } from './protocol.js';
import { type Slot, openSlot } from './storage.js';

export interface SourceContext {
  wasm: Pick<EngineModule, 'Hasher'>;
  progress: Progress;
  signal: AbortSignal;
}

/** @throws {PagelmError} `network`, `storage`, `aborted`; the stream also `hash-mismatch` */
export async function openSource(source: SourceData, cache: LoadSettings['cache'], context: SourceContext): Promise<ByteStream> {
  if (source.kind === 'blob') return fromBlob(source.blob);
  const slot = await openSlot(source, cache);
  const stored = await slot?.read();
  if (stored !== undefined) return stored;
  const response = await request(source, slot !== undefined, context.signal);
  const total = bodyLength(response);
  const received = verified(download(response, source.url, total, context), source, total, context);
  const etag = response.headers.get('etag');
  if (total === undefined) return fromUnknownLength(slot, received, etag);
  return { total, pieces: slot === undefined ? received : await slot.keep(received, total, etag), fromCache: false };
}

/** The engine must know the size before the first byte, so the body is stored first and then read. */
async function fromUnknownLength(slot: Slot | undefined, received: AsyncIterable<Uint8Array>, etag: string | null): Promise<ByteStream> {
  if (slot === undefined) return fromBlob(await collect(received));
  const kept = await slot.keep(received, undefined, etag);
  // Another tab is writing the same file: `keep` does not store, so a Blob, which the browser may hold on disk, has to do.
  if (kept === received) return fromBlob(await collect(received));
  for await (const _ of kept) {
    // stored on the way
  }
  const stored = await slot.read();
  if (stored === undefined) throw new PagelmError('storage', 'The file that was just stored cannot be read back. Load again, or pass cache: \'none\'.');
  return { ...stored, fromCache: false };
}

function collect(pieces: AsyncIterable<Uint8Array>): Promise<Blob> {
  const iterator = pieces[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
  return new Response(body).blob();
}

/** The answer to a request with more headers than the source's. @throws {PagelmError} `network` */
export async function request(
  source: SourceData & { kind: 'url' }, isStored: boolean, signal: AbortSignal, more: Record<string, string> = {}, method = 'GET',
): Promise<Response> {
  const { url } = source;
  const headers = { ...source.headers, ...more };
  let response: Response;
  try {
    // Stored bytes need not be in the HTTP cache, too.
    response = await fetch(url, { method, signal, headers, ...(isStored && { cache: 'no-store' }) });
  } catch (cause) {
    signal.throwIfAborted();
    throw new PagelmError('network', `${url} cannot be fetched: ${String(cause)}. Check the address and the connection; a server of another origin must allow this one (CORS), and so must the page's content security policy.`, { cause });
  }
  if (!response.ok) {
    const status = `${response.status} ${response.statusText}`.trim();
    throw new PagelmError('network', `${url} answered with HTTP status ${status}. ${advice(response.status)}`);
  }
  return response;
}

function advice(status: number): string {
  if (status === 401 || status === 403) return 'The file needs permission: pass headers, e.g. { Authorization: \'Bearer …\' }.';
  if (status === 404 || status === 410) return 'There is no such file: check the address.';
  return status === 429 || status >= 500 ? 'The server cannot answer now: try again later.' : 'Check the address and the headers.';
}

/** In bytes; undefined when the server does not say, or says the length of the compressed body. */
export function bodyLength(response: Response): number | undefined {
  const declared = response.headers.get('content-length');
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  if (declared === null || !/^\d+$/.test(declared) || encoding !== 'identity') return undefined;
  return Number(declared);
}

/** The body, which must have `total` bytes when that is known. */
async function* download(response: Response, url: string, total: number | undefined, { progress, signal }: SourceContext): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  let loaded = 0;
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) break;
      loaded += value.byteLength;
      if (total !== undefined && loaded > total) throw wrongLength(url, loaded, total);
      progress.report('download', loaded, total ?? 0);
      yield value;
    }
  } catch (cause) {
    if (PagelmError.isInstance(cause)) throw cause;
    signal.throwIfAborted();
    throw new PagelmError('network', `The download of ${url} broke off after ${loaded} of ${total ?? 'an unknown number of'} bytes: ${String(cause)}. Load again when the connection is back.`, { cause });
  } finally {
    // Whoever stopped reading early does not want the rest. Nothing is left to cancel when all was read.
    reader?.cancel().catch(() => {});
  }
  if (total !== undefined && loaded < total) throw wrongLength(url, loaded, total);
  progress.report('download', loaded, loaded);
}

function wrongLength(url: string, loaded: number, total: number): PagelmError {
  const [what, why] = loaded < total
    ? ['ended after', 'The connection broke off: load again.']
    : ['went on to', 'The server compresses the file: let it send GGUF files without Content-Encoding.'];
  return new PagelmError('network', `The download of ${url} ${what} ${loaded} bytes, but Content-Length promised ${total}. ${why}`);
}

/** The same pieces; at their end it fails with `hash-mismatch` unless they have the hash that was asked for, if any was. */
async function* verified(
  pieces: AsyncIterable<Uint8Array>, source: SourceData & { kind: 'url' }, total: number | undefined, { wasm, progress }: SourceContext,
): AsyncGenerator<Uint8Array> {
  const { sha256, url } = source;
  if (sha256 === undefined) return yield* pieces;
  const hasher = new wasm.Hasher();
  try {
    let hashed = 0;
    for await (const piece of pieces) {
      hasher.update(piece);
      hashed += piece.byteLength;
      progress.report('verify', hashed, total ?? 0);
      yield piece;
    }
    progress.report('verify', hashed, hashed);
    const actual = hasher.hex();
    if (actual !== sha256) {
      throw new PagelmError('hash-mismatch', `The ${hashed} bytes of ${url} have the SHA-256 ${actual}, but ${sha256} was asked for. Nothing of them was kept; check the address and the hash.`);
    }
  } finally {
    hasher.free();
  }
}
