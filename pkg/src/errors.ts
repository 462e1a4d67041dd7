/** Every `code` a {@link PagelmError} can have. Codes never change their meaning; new ones may be added. */
export const ERROR_CODES = [
  // from the engine
  'invalid-gguf', // the bytes are not a GGUF file, or break its format
  'limit-exceeded', // a count or a size in the file is above a limit, or what a grammar takes is
  'unsupported-type', // a tensor type that the engine does not know
  'unsupported-architecture', // a model architecture that the engine does not know
  'unsupported-tokenizer', // a tokenizer that the engine does not know
  'invalid-model', // well-formed, but its contents contradict each other
  'chat-template', // the chat template does not parse, fails, or runs for too long
  'context-overflow', // the prompt does not fit the context
  'out-of-memory', // not enough memory on the host or the device
  'gpu-unavailable', // no usable WebGPU adapter or device
  'gpu-failure', // the GPU device refused a command, or computes wrong numbers
  'device-lost', // the GPU device is gone, and the model could not be loaded again
  'not-finite', // the model produced numbers that are not finite
  'internal', // a bug in pagelm
  // from the engine or from JavaScript
  'invalid-argument', // an argument or an option has a wrong type or value
  'hash-mismatch', // the bytes do not have the SHA-256 that was asked for
  'unsupported-option', // an option that is unknown, or cannot be honoured by this version, backend or build
  // from JavaScript
  'unsupported-environment', // this page or browser lacks something that pagelm cannot do without
  'network', // a download failed, or ended early
  'storage', // the origin private file system failed or is full, or a Blob cannot be read
  'aborted', // the caller's AbortSignal
  'closed', // the model was closed
  'worker-failed', // the worker could not start, or died
] as const;

/** A stable name for what went wrong; see {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** A {@link PagelmError} as plain data: what crosses `postMessage`. */
export interface ErrorData {
  code: ErrorCode;
  message: string;
  /** The cause's own data when it was a `PagelmError`, otherwise its text. */
  cause?: ErrorData | string;
}

// In the global registry, so that two copies of the package on one page recognise each other's errors.
const BRAND = Symbol.for('pagelm.error');

/**
 * The one error type of pagelm.
 *
 * `code` is stable and meant for programs. `message` is meant for people: the value that failed, the limit it
 * broke, and what to do. `cause` is the error below, if there is one.
 *
 * ```js
 * try {
 *   await load(url);
 * } catch (error) {
 *   if (PagelmError.isInstance(error) && error.code === 'network') retryLater();
 *   else throw error;
 * }
 * ```
 */
export class PagelmError extends Error {
  override readonly name = 'PagelmError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    // Not enumerable: a logged error shows its code and message, not the brand.
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Like `instanceof`, but true for the errors of another copy of the package, too. */
  static isInstance(error: unknown): error is PagelmError {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
  }
}

/** What to post in place of `error`: class instances do not survive a structured clone. */
export function errorToData(error: PagelmError): ErrorData {
  const { code, message, cause } = error;
  if (cause === undefined) return { code, message };
  return { code, message, cause: PagelmError.isInstance(cause) ? errorToData(cause) : String(cause) };
}

/** The error that {@link errorToData} took apart. */
export function errorFromData(data: ErrorData): PagelmError {
  const { code, message, cause } = data;
  if (cause === undefined) return new PagelmError(code, message);
  return new PagelmError(code, message, { cause: typeof cause === 'string' ? new Error(cause) : errorFromData(cause) });
}

/**
 * Whatever was thrown, as a {@link PagelmError}. The engine's errors are plain `Error` objects with a string
 * `code`, which is kept; anything else becomes `fallback`.
 */
export function toPagelmError(thrown: unknown, fallback: ErrorCode = 'internal'): PagelmError {
  if (PagelmError.isInstance(thrown)) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const code = codeOf(thrown);
  // The engine prints an error as "code: sentence"; the code is already a property here.
  if (code !== undefined) return new PagelmError(code, message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message);
  return new PagelmError(fallback, message, { cause: thrown });
}

function codeOf(thrown: unknown): ErrorCode | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return undefined;
  return ERROR_CODES.find((code) => code === thrown.code);
}
