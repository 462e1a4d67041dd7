/** What the service worker and a page tell each other about one request, over a channel of its own. */
import type { ErrorBody } from '../openai/errors.js';

/** From the service worker to a page, with a port for the answer. */
export interface RequestMessage {
  type: 'pagelm:request';
  /** The rest of the address, e.g. `chat/completions`. */
  path: string;
  /** Of a POST, as JSON. */
  body?: unknown;
}

export type ToServiceWorker =
  /** This page has models and answers. */
  | { type: 'accepted' }
  /** The whole answer. */
  | { type: 'json'; value: unknown }
  /** A piece of a streamed one. */
  | { type: 'chunk'; value: unknown }
  | { type: 'end' }
  | { type: 'error'; status: number; error: ErrorBody };

/** The answer is not wanted any more. */
export interface CancelMessage {
  type: 'cancel';
}
