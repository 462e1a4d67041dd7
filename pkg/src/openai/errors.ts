/** Failures as OpenAI's API reports them. */
import { type ErrorCode, PagelmError, toPagelmError } from '../errors.js';

/** The body of a response that is an error. */
export interface ErrorBody {
  message: string;
  type: 'invalid_request_error' | 'server_error';
  /** OpenAI's code where there is one, otherwise pagelm's. */
  code: string;
  param: string | null;
}

/** The HTTP status of what is not the server's fault, or passes; everything else is a 500. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  'invalid-argument': 400, 'unsupported-option': 400, 'chat-template': 400, 'context-overflow': 400, 'limit-exceeded': 400, closed: 503, 'worker-failed': 503,
};

/** Codes that clients look for by OpenAI's name. */
const OPENAI_CODE: Partial<Record<ErrorCode, string>> = { 'context-overflow': 'context_length_exceeded' };

/** A {@link PagelmError} with the fields of the official client's `APIError`. */
export class OpenAIError extends PagelmError {
  /** As an HTTP server would answer. */
  readonly status: number;
  readonly error: ErrorBody;

  constructor(error: PagelmError, status = STATUS[error.code] ?? 500, code = OPENAI_CODE[error.code] ?? error.code, param: string | null = null) {
    super(error.code, error.message, { cause: error });
    this.status = status;
    this.error = { message: error.message, type: status < 500 ? 'invalid_request_error' : 'server_error', code, param };
  }

  get type(): string {
    return this.error.type;
  }

  get param(): string | null {
    return this.error.param;
  }
}

export function toOpenAIError(thrown: unknown): OpenAIError {
  return thrown instanceof OpenAIError ? thrown : new OpenAIError(toPagelmError(thrown));
}

export function noSuchModel(name: unknown, known: readonly string[]): OpenAIError {
  const error = new PagelmError('invalid-argument', `There is no model ${JSON.stringify(name)}; there are ${known.join(', ')}.`);
  return new OpenAIError(error, 404, 'model_not_found', 'model');
}
