/** In the service worker: passes requests for OpenAI's API on to a page that has a model. */
import { PagelmError } from '../errors.js';
import { OpenAIError } from '../openai/errors.js';
import { type Answer, answerFrom } from './response.js';
import type { RequestMessage } from './messages.js';

/** What is used of `ServiceWorkerGlobalScope`; its types do not go together with those of a page. */
export interface ServiceWorkerScope {
  readonly location: { readonly origin: string };
  readonly clients: { matchAll(options: { type: 'window'; includeUncontrolled: true }): Promise<readonly WindowClient[]> };
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
}

interface FetchEvent {
  readonly request: Request;
  readonly clientId: string;
  respondWith(response: Promise<Response>): void;
  waitUntil(promise: Promise<unknown>): void;
}

interface WindowClient {
  readonly id: string;
  postMessage(message: RequestMessage, transfer: Transferable[]): void;
}

export interface ServeOptions {
  /** Where the API is, below the origin. Default `/v1/`. */
  path?: string | undefined;
}

/** How long a page may take to say that it answers, in milliseconds: it may be busy, but its model is in a worker. */
const ACCEPT_MS = 1000;

/**
 * Answers `fetch('/v1/chat/completions')` and `/v1/models` of this origin's pages. Call it while the service worker's script
 * runs first, as for any `fetch` listener. The page that asks is tried first, then every other one of the origin; one that
 * called {@link provide} answers. Other requests are left alone.
 */
export function serve({ path = '/v1/' }: ServeOptions = {}): void {
  const scope = globalThis as unknown as Partial<ServiceWorkerScope>;
  if (scope.clients === undefined || scope.addEventListener === undefined) {
    throw new PagelmError('unsupported-environment', 'There are no clients here; call serve() in a service worker, and provide() in a page.');
  }
  listen(scope as ServiceWorkerScope, path);
}

function listen(scope: ServiceWorkerScope, root: string): void {
  scope.addEventListener('fetch', (event) => {
    const { origin, pathname } = new URL(event.request.url);
    if (origin !== scope.location.origin || !pathname.startsWith(root)) return;
    const answer = respond(scope, event, pathname.slice(root.length));
    event.respondWith(answer.then(({ response }) => response));
    // a service worker may be ended once it has responded, a stream takes longer
    event.waitUntil(answer.then(({ finished }) => finished));
  });
}

/** Never rejects. */
async function respond(scope: ServiceWorkerScope, event: FetchEvent, path: string): Promise<Answer> {
  try {
    const message = await messageOf(event.request, path);
    for (const client of await candidates(scope, event.clientId)) {
      const port = await accepted(client, message);
      if (port !== undefined) return await answerFrom(port, event.request.signal);
    }
    const absent = new PagelmError('closed', 'No page of this origin provides a model; open one that called provide(), and keep it open.');
    return refusal(new OpenAIError(absent));
  } catch (thrown) {
    return refusal(thrown instanceof OpenAIError ? thrown : new OpenAIError(new PagelmError('internal', String(thrown), { cause: thrown })));
  }
}

function refusal({ status, error }: OpenAIError): Answer {
  return { response: Response.json({ error }, { status }), finished: Promise.resolve() };
}

async function messageOf(request: Request, path: string): Promise<RequestMessage> {
  if (request.method === 'GET') return { type: 'pagelm:request', path };
  try {
    return { type: 'pagelm:request', path, body: await request.json() };
  } catch (cause) {
    throw new OpenAIError(new PagelmError('invalid-argument', `The request's body is not JSON: ${String(cause)}.`, { cause }));
  }
}

/** The origin's pages, the one that asks first: it knows its model best. */
async function candidates(scope: ServiceWorkerScope, clientId: string): Promise<WindowClient[]> {
  const clients = await scope.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return [...clients].sort((a, b) => Number(b.id === clientId) - Number(a.id === clientId));
}

/** The port on which the page answers, if it says in time that it does. */
function accepted(client: WindowClient, message: RequestMessage): Promise<MessagePort | undefined> {
  const { port1: port, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      port.close();
      resolve(undefined);
    }, ACCEPT_MS);
    // the next message is a task of its own; by then whoever waits for this has a listener
    port.addEventListener('message', () => {
      clearTimeout(timer);
      resolve(port);
    }, { once: true });
    port.start();
    client.postMessage(message, [port2]);
  });
}
