/**
 * In the worker: a file behind an address, in byte ranges where the server has them.
 *
 * Every answer is held against the first: the same size, the same ETag and date. What cannot be proven to be a piece of
 * the same file is refused or fetched again, never spliced.
 */
import { PagelmError } from './errors.js';
import { type Exchange, PROGRESS_BYTES, Retries, Transient, checkStatus, exchange } from './exchange.js';
import type { DownloadSettings, RemotePart } from './protocol.js';

export interface RemoteContext {
  headers: Record<string, string>;
  settings: DownloadSettings;
  signal: AbortSignal;
}

/** A first request that nobody answers is mostly refused (CORS, a wrong address): waiting long for it helps nobody. */
const UNANSWERED_RETRIES = 2;

/** How one version of a file is told from another. */
export interface Validators {
  etag: string | null;
  lastModified: string | null;
}

export class RemoteFile {
  readonly url: string;
  /** In bytes; undefined when the server does not say, or says the length of a compressed body. */
  readonly total: number | undefined;
  readonly validators: Validators;
  /** What the hub says that the bytes have. */
  sha256: string | undefined;
  /** The first bytes; undefined without ranges. */
  readonly head: Uint8Array | undefined;
  readonly #context: RemoteContext;
  /** Without ranges: the first answer, until its body is asked for. */
  #whole: Exchange | undefined;

  private constructor(part: RemotePart, context: RemoteContext, first: First) {
    this.url = part.url;
    this.#context = context;
    this.total = first.total;
    this.head = first.head;
    this.#whole = first.whole;
    this.validators = first.validators;
    this.sha256 = first.sha256;
  }

  /**
   * Asks for the first `headBytes` bytes.
   * @throws {PagelmError} `network`
   */
  static async open(part: RemotePart, headBytes: number, context: RemoteContext): Promise<RemoteFile> {
    const { settings, signal } = context;
    const retries = new Retries(settings.retries, signal);
    const unanswered = new Retries(Math.min(settings.retries, UNANSWERED_RETRIES), signal);
    let isSecond = false;
    for (;;) {
      try {
        const first = await askFirst(part.url, headBytes, context);
        const file = new RemoteFile(part, context, first);
        const { head, got = 0 } = first;
        if (head !== undefined) await file.range(got, head.byteLength, (bytes, at) => head.set(bytes, at), signal);
        return file;
      } catch (error) {
        const isUnanswered = error instanceof Transient && error.isUnanswered;
        const plain = isUnanswered ? await askPlain(part.url, isSecond, context) : undefined;
        if (plain !== undefined) return new RemoteFile(part, context, plain);
        isSecond ||= isUnanswered;
        await (isUnanswered ? unanswered : retries).pause(error);
      }
    }
  }

  get hasRanges(): boolean {
    return this.head !== undefined;
  }

  /** Ends what was begun and will not be read. */
  close(): void {
    this.#whole?.cancel();
    this.#whole = undefined;
  }

  /**
   * Fetches bytes from `start` to before `end`; `take` gets them in order.
   * @throws {PagelmError} `network`
   */
  async range(start: number, end: number, take: (bytes: Uint8Array, at: number) => void, signal: AbortSignal): Promise<void> {
    const retries = new Retries(this.#context.settings.retries, signal);
    let at = start;
    while (at < end) {
      const from = at;
      try {
        for await (const chunk of this.#ask(at, end, signal)) {
          take(chunk, at);
          at += chunk.byteLength;
        }
        if (at < end) throw new Transient(`The download of ${this.url} ended at byte ${at} of ${end}.`);
      } catch (error) {
        if (at - from >= PROGRESS_BYTES) retries.progressed();
        await retries.pause(error);
      }
    }
  }

  async *#ask(start: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { response, chunks, cancel } = await exchange(this.url, requestOf(this.#context, start, end), this.#context.settings.stallMs, signal);
    try {
      if (response.status === 416) throw changed(this.url, `it no longer reaches to byte ${start}`);
      checkStatus(response, this.url);
      this.#checkSame(response);
      checkRange(response, this.url, start, end, this.total);
      let left = end - start;
      for await (const chunk of chunks) {
        left -= chunk.byteLength;
        if (left < 0) throw tooLong(this.url, end - start);
        yield chunk;
      }
    } finally {
      cancel();
    }
  }

  #checkSame(response: Response): void {
    const { etag, lastModified } = validatorsOf(response);
    const differs = (first: string | null, now: string | null) => first !== null && now !== null && first !== now;
    if (differs(this.validators.etag, etag)) throw changed(this.url, `its ETag was ${this.validators.etag} and is ${etag}`);
    if (differs(this.validators.lastModified, lastModified) && etag === null) throw changed(this.url, `it was of ${this.validators.lastModified} and is of ${lastModified}`);
  }

  /**
   * The whole body, where there are no ranges. After a failure it is fetched again and what was had is passed over, if the
   * server proves that it is the same file, or `isVerified`: somebody will look at the hash.
   * @throws {PagelmError} `network`
   */
  async *whole(isVerified: boolean): AsyncGenerator<Uint8Array> {
    const { settings, signal } = this.#context;
    const retries = new Retries(settings.retries, signal);
    let received = 0;
    for (let next: Exchange | undefined = this.#whole; ; next = undefined) {
      this.#whole = undefined;
      const from = received;
      try {
        let passed = next === undefined ? 0 : received;
        for await (const chunk of this.#wholeBody(next ?? (await this.#askAgain(received, isVerified)))) {
          const skip = Math.min(received - passed, chunk.byteLength);
          passed += chunk.byteLength;
          if (skip === chunk.byteLength) continue;
          received += chunk.byteLength - skip;
          yield chunk.subarray(skip);
        }
        if (this.total === undefined || received >= this.total) return;
        throw new Transient(`The download of ${this.url} ended after ${received} bytes, but Content-Length promised ${this.total}.`);
      } catch (error) {
        if (received - from >= PROGRESS_BYTES) retries.progressed();
        await retries.pause(error, 'Load again when the connection is back; this server has no byte ranges, so it begins anew.');
      }
    }
  }

  async *#wholeBody({ chunks, cancel }: Exchange): AsyncGenerator<Uint8Array> {
    let left = this.total ?? Infinity;
    try {
      for await (const chunk of chunks) {
        left -= chunk.byteLength;
        if (left < 0) throw tooLong(this.url, this.total as number);
        yield chunk;
      }
    } finally {
      cancel();
    }
  }

  async #askAgain(received: number, isVerified: boolean): Promise<Exchange> {
    const { settings, signal } = this.#context;
    const again = await exchange(this.url, requestOf(this.#context), settings.stallMs, signal);
    try {
      checkStatus(again.response, this.url);
      this.#checkSame(again.response);
      const { etag, lastModified } = validatorsOf(again.response);
      const isProven = isVerified || (etag !== null && etag === this.validators.etag) || (lastModified !== null && lastModified === this.validators.lastModified);
      if (received > 0 && !isProven) {
        throw new PagelmError('network', `The download of ${this.url} broke off after ${received} of ${this.total ?? 'an unknown number of'} bytes, and the server has neither byte ranges nor an ETag or a date to prove that it still is the same file. Load again, or give its sha256.`);
      }
      if (bodyLength(again.response) !== this.total) throw changed(this.url, `it had ${this.total ?? 'no known number of'} bytes and has ${bodyLength(again.response) ?? 'no known number of them'}`);
      return again;
    } catch (error) {
      again.cancel();
      throw error;
    }
  }
}

interface First {
  total: number | undefined;
  validators: Validators;
  sha256: string | undefined;
  head?: Uint8Array;
  /** How much of the head has come. */
  got?: number;
  whole?: Exchange;
}

async function askFirst(url: string, headBytes: number, context: RemoteContext): Promise<First> {
  const ranged = await exchange(url, requestOf(context, 0, headBytes), context.settings.stallMs, context.signal);
  try {
    const facts = { validators: validatorsOf(ranged.response), sha256: hubHash(ranged.response, url) };
    if (ranged.response.status === 416) throw new PagelmError('network', `${url} is empty: HTTP status 416 for its first bytes.`);
    checkStatus(ranged.response, url);
    if (ranged.response.status !== 206) return { ...facts, total: bodyLength(ranged.response), whole: ranged };
    const size = isEncoded(ranged.response) ? undefined : await rangedSize(ranged.response, url, headBytes, context);
    if (size === undefined) {
      ranged.cancel();
      return await askWhole(url, context);
    }
    const head = new Uint8Array(size.head);
    return { ...facts, total: size.total, head, got: await fill(head, ranged, url) };
  } catch (error) {
    ranged.cancel();
    throw error;
  }
}

/**
 * After a range was not answered: what a request without a range gives, if the range is to blame for it. Chromium refuses a
 * compressed answer to a range; others may have to ask first whether ranges are allowed (CORS), and be refused.
 */
async function askPlain(url: string, isSecond: boolean, context: RemoteContext): Promise<First | undefined> {
  try {
    const first = await askWhole(url, context);
    if (isSecond || first.total === undefined) return first;
    first.whole?.cancel(); // it was the connection, then
    return undefined;
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof Transient || PagelmError.isInstance(error)) return undefined; // the first error says more
    throw error;
  }
}

/** For a server that has ranges but does not say of how much, or compresses them. */
async function askWhole(url: string, context: RemoteContext): Promise<First> {
  const whole = await exchange(url, requestOf(context), context.settings.stallMs, context.signal);
  try {
    checkStatus(whole.response, url);
    return { total: bodyLength(whole.response), validators: validatorsOf(whole.response), sha256: hubHash(whole.response, url), whole };
  } catch (error) {
    whole.cancel();
    throw error;
  }
}

/** Sizes of the file and of the first range that the answer has. A server of another origin may hide them; then HEAD tells. */
async function rangedSize(response: Response, url: string, headBytes: number, context: RemoteContext): Promise<{ head: number; total: number } | undefined> {
  const range = contentRange(response);
  if (range === 'unreadable') throw wrongRange(response, url, 0, headBytes);
  if (range !== null) {
    if (range.total === undefined) return undefined;
    checkRange(response, url, 0, Math.min(headBytes, range.total), range.total);
    return { head: range.end, total: range.total };
  }
  const { response: head, cancel } = await exchange(url, { ...requestOf(context), method: 'HEAD' }, context.settings.stallMs, context.signal);
  cancel();
  const total = head.ok ? bodyLength(head) : undefined;
  return total === undefined ? undefined : { head: Math.min(headBytes, total), total };
}

/** @returns how much came before the connection failed, if it did */
async function fill(buffer: Uint8Array, { chunks }: Exchange, url: string): Promise<number> {
  let at = 0;
  try {
    for await (const chunk of chunks) {
      if (at + chunk.byteLength > buffer.byteLength) throw tooLong(url, buffer.byteLength);
      buffer.set(chunk, at);
      at += chunk.byteLength;
    }
  } catch (error) {
    if (!(error instanceof Transient)) throw error;
  }
  return at;
}

function requestOf({ headers }: RemoteContext, start?: number, end?: number): RequestInit {
  const range = start === undefined || end === undefined ? {} : { Range: `bytes=${start}-${end - 1}` };
  // Browsers let ranges of one file wait for each other in their HTTP cache, which is no place for gigabytes anyway.
  return { headers: { ...headers, ...range }, cache: 'no-store' };
}

/** In bytes; undefined when the server does not say, or says the length of the compressed body. */
export function bodyLength(response: Response): number | undefined {
  const declared = response.headers.get('content-length');
  if (declared === null || !/^\d{1,16}$/.test(declared) || isEncoded(response)) return undefined;
  return Number.isSafeInteger(Number(declared)) ? Number(declared) : undefined;
}

function isEncoded(response: Response): boolean {
  return (response.headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity';
}

function validatorsOf({ headers }: Response): Validators {
  // empty ones tell nothing apart
  return { etag: headers.get('etag') || null, lastModified: headers.get('last-modified') || null };
}

/**
 * The SHA-256 that Hugging Face's hub and its mirrors send for large files: `X-Linked-ETag`, or the `ETag` of the hub itself,
 * before a redirect. Elsewhere an ETag may be anything.
 */
function hubHash({ headers, redirected }: Response, url: string): string | undefined {
  const isHub = !redirected && /^https?:\/\/[^/]+\/(?:[^/]+\/)*[^/]+\/resolve\/[^/]+\//.test(url);
  const hash = headers.get('x-linked-etag') ?? (isHub ? headers.get('etag') : null);
  return /^(?:W\/)?"?([0-9a-f]{64})"?$/i.exec(hash ?? '')?.[1]?.toLowerCase();
}

/** What `Content-Range` says: null when there is none, or when it is hidden; `total` undefined for `*`. */
function contentRange({ headers }: Response): { start: number; end: number; total: number | undefined } | 'unreadable' | null {
  const value = headers.get('content-range');
  if (value === null) return null;
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(value);
  if (match === null) return 'unreadable';
  return { start: Number(match[1]), end: Number(match[2]) + 1, total: match[3] === '*' ? undefined : Number(match[3]) };
}

/** That an answer is the range that was asked for. */
function checkRange(response: Response, url: string, start: number, end: number, total: number | undefined): void {
  if (response.status !== 206) throw new Transient(`${url} answered a request for bytes ${start} to ${end - 1} with status ${response.status} instead of 206: the server has lost its byte ranges.`);
  if (isEncoded(response)) throw new PagelmError('network', `${url} answered a request for a range with Content-Encoding ${response.headers.get('content-encoding')}; let the server send GGUF files without.`);
  const range = contentRange(response);
  if (range === 'unreadable') throw wrongRange(response, url, start, end);
  if (range !== null) {
    if (range.total !== undefined && total !== undefined && range.total !== total) throw changed(url, `it had ${total} bytes and has ${range.total}`);
    // It may be shorter, and is then followed by another request.
    if (range.start !== start || range.end <= start || range.end > end) throw wrongRange(response, url, start, end);
  }
}

function wrongRange(response: Response, url: string, start: number, end: number): PagelmError {
  return new PagelmError('network', `${url} answered a request for bytes ${start} to ${end - 1} with Content-Range ${JSON.stringify(response.headers.get('content-range'))}. The server, or something between, is broken; nothing of this answer was used.`);
}

function changed(url: string, how: string): PagelmError {
  return new PagelmError('network', `${url} has changed during the download: ${how}. Load again to get the new file from its beginning.`);
}

function tooLong(url: string, promised: number): PagelmError {
  return new PagelmError('network', `The download of ${url} went on after the ${promised} bytes that were promised. If the server compresses the file, let it send GGUF files without Content-Encoding.`);
}
