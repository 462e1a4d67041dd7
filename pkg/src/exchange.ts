/** In the worker: one HTTP request that cannot hang, and when to make it again. */
import { PagelmError } from './errors.js';

/** The first pause before a request is made again, and the longest that pagelm chooses; a server may ask for longer. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8000;
const LONGEST_ASKED_PAUSE_MS = 60_000;
/** A request that brings as much as this before it fails counts as progress. */
export const PROGRESS_BYTES = 64 * 1024;

/** A failure that may not happen again. Its message becomes the error's when it does. */
export class Transient extends Error {
  override readonly name = 'Transient';
  /** How long the server asks to wait. */
  readonly pauseMs: number | undefined;
  /** No server has answered: there may be none, or the browser refuses. */
  readonly isUnanswered: boolean;

  constructor(message: string, options?: { cause?: unknown; pauseMs?: number | undefined; isUnanswered?: boolean }) {
    super(message, options);
    this.pauseMs = options?.pauseMs;
    this.isUnanswered = options?.isUnanswered ?? false;
  }
}

export interface Exchange {
  response: Response;
  /** The body. Ends the request when it is left early. */
  chunks: AsyncGenerator<Uint8Array>;
  /** Ends the request. */
  cancel(): void;
}

/**
 * One GET or HEAD. The answer and then each chunk must come within `stallMs`.
 * @throws {Transient} also while reading; whatever `signal` was aborted with
 */
export async function exchange(url: string, init: RequestInit, stallMs: number, signal: AbortSignal): Promise<Exchange> {
  signal.throwIfAborted();
  const watch = new Watch(stallMs, signal);
  try {
    const response = await fetch(url, { ...init, signal: watch.signal });
    return { response, chunks: chunksOf(response, url, watch), cancel: () => watch.end(true) };
  } catch (cause) {
    watch.end(false);
    signal.throwIfAborted();
    if (watch.stalled) throw new Transient(`${url} did not answer within ${stallMs} ms.`, { cause });
    throw new Transient(`${url} cannot be fetched: ${String(cause)}. Check the address and the connection; a server of another origin must allow this one (CORS), and so must the page's content security policy.`, { cause, isUnanswered: true });
  }
}

async function* chunksOf(response: Response, url: string, watch: Watch): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  let received = 0;
  let complete = false;
  try {
    for (;;) {
      watch.restart();
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) break;
      received += value.byteLength;
      watch.pause(); // how long the reader takes is not the server's doing
      yield value;
    }
    complete = true;
  } catch (cause) {
    watch.outer.throwIfAborted();
    if (watch.stalled) throw new Transient(`The download of ${url} stalled: nothing came for ${watch.stallMs} ms after ${received} bytes of this request.`, { cause });
    throw new Transient(`The download of ${url} broke off after ${received} bytes of this request: ${String(cause)}.`, { cause });
  } finally {
    watch.end(!complete);
  }
}

/** Aborts a request with its caller's signal, or when nothing comes. */
class Watch {
  readonly stallMs: number;
  readonly outer: AbortSignal;
  stalled = false;
  readonly #controller = new AbortController();
  readonly #abort = () => this.#controller.abort(this.outer.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(stallMs: number, outer: AbortSignal) {
    this.stallMs = stallMs;
    this.outer = outer;
    outer.addEventListener('abort', this.#abort, { once: true });
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.stalled = true;
      this.#controller.abort();
    }, this.stallMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  /** @param isOpen whether there is a request to be ended */
  end(isOpen: boolean): void {
    clearTimeout(this.#timer);
    this.outer.removeEventListener('abort', this.#abort);
    if (isOpen) this.#controller.abort();
  }
}

/** Counts the failures of one request, and waits between them. */
export class Retries {
  readonly #limit: number;
  readonly #signal: AbortSignal;
  #failures = 0;

  constructor(limit: number, signal: AbortSignal) {
    this.#limit = limit;
    this.#signal = signal;
  }

  /** What came before is forgiven. */
  progressed(): void {
    this.#failures = 0;
  }

  /** Returns after a pause if the request may be made again. @throws {PagelmError} `network`; anything that is not {@link Transient} */
  async pause(error: unknown, advice = 'Load again when the connection is back: what is stored is not fetched again.'): Promise<void> {
    if (!(error instanceof Transient)) throw error;
    this.#failures += 1;
    if (this.#failures > this.#limit) {
      const tries = this.#failures === 1 ? '' : ` It was tried ${this.#failures} times.`;
      throw new PagelmError('network', `${error.message}${tries} ${advice}`, { cause: error.cause ?? error });
    }
    await sleep(pauseAfter(this.#failures, error.pauseMs), this.#signal);
  }
}

/** Doubles from one failure to the next; a random half of it keeps clients apart that failed together. */
export function pauseAfter(failures: number, asked: number | undefined, random: () => number = Math.random): number {
  if (asked !== undefined) return Math.min(asked, LONGEST_ASKED_PAUSE_MS);
  return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS) * (0.5 + random() / 2);
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** Throws unless the status is one of success. @throws {Transient} for statuses that may pass; {PagelmError} `network` for others */
export function checkStatus(response: Response, url: string): void {
  if (response.ok) return;
  const { status, statusText } = response;
  const message = `${url} answered with HTTP status ${`${status} ${statusText}`.trim()}. ${advice(status)}`;
  const mayPass = [408, 425, 429].includes(status) || (status >= 500 && status !== 501 && status !== 505);
  if (mayPass) throw new Transient(message, { pauseMs: retryAfter(response.headers) });
  throw new PagelmError('network', message);
}

function advice(status: number): string {
  if (status === 401 || status === 403) return 'The file needs permission: pass headers, e.g. { Authorization: \'Bearer …\' }, or hub.token for an hf: address.';
  if (status === 404 || status === 410) return 'There is no such file: check the address.';
  return status === 429 || status >= 500 ? 'The server cannot answer now: try again later.' : 'Check the address and the headers.';
}

/** In milliseconds. */
function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms >= 0 ? ms : undefined;
}
