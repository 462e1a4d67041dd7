/** In the service worker: from a page's messages to a response. */
import { PagelmError } from '../errors.js';
import { OpenAIError } from '../openai/errors.js';
import type { CancelMessage, ToServiceWorker } from './messages.js';

export interface Answer {
  response: Response;
  /** Settles with the last byte. */
  finished: Promise<void>;
}

/**
 * The response to what comes on `port`: a refusal or a whole answer as JSON, a stream as server-sent events.
 *
 * @param port has been started; nothing but its first message was taken
 * @param signal the client's
 */
export async function answerFrom(port: MessagePort, signal: AbortSignal): Promise<Answer> {
  const messages = queueOf(port);
  const cancel = () => port.postMessage({ type: 'cancel' } satisfies CancelMessage);
  signal.addEventListener('abort', cancel, { once: true });
  const first = await messages.next();
  if (first.type === 'json') return whole(Response.json(first.value), port);
  if (first.type === 'error') return whole(Response.json({ error: first.error }, { status: first.status }), port);
  return streamed(first, messages, cancel);
}

function whole(response: Response, port: MessagePort): Answer {
  port.close();
  return { response, finished: Promise.resolve() };
}

function streamed(first: ToServiceWorker, messages: Messages, cancel: () => void): Answer {
  let finish!: () => void;
  const finished = new Promise<void>((resolve) => { finish = resolve; });
  const encoder = new TextEncoder();
  let next: Promise<ToServiceWorker> = Promise.resolve(first);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const message = await next;
      const event = eventOf(message);
      controller.enqueue(encoder.encode(event));
      if (message.type === 'chunk') {
        next = messages.next();
      } else {
        controller.close();
        finish();
      }
    },
    cancel() {
      cancel();
      finish();
    },
  });
  const headers = { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store' };
  return { response: new Response(body, { headers }), finished };
}

/** A server-sent event; the last one is what OpenAI's API ends with, unless it is an error. */
function eventOf(message: ToServiceWorker): string {
  if (message.type === 'chunk') return `data: ${JSON.stringify(message.value)}\n\n`;
  if (message.type === 'error') return `data: ${JSON.stringify({ error: message.error })}\n\n`;
  return 'data: [DONE]\n\n';
}

interface Messages {
  next(): Promise<ToServiceWorker>;
}

/** The messages of a port one after the other; a page that goes away says nothing; browsers that know the event tell that it did. */
function queueOf(port: MessagePort): Messages {
  const waiting: ToServiceWorker[] = [];
  let wanted: ((message: ToServiceWorker) => void) | undefined;
  const take = (message: ToServiceWorker) => {
    if (wanted === undefined) waiting.push(message);
    else wanted(message);
    wanted = undefined;
  };
  port.addEventListener('message', (event: MessageEvent<ToServiceWorker>) => take(event.data));
  // where the browser tells: the page was closed
  port.addEventListener('close', () => take(gone()));
  return {
    next: async () => waiting.shift() ?? new Promise<ToServiceWorker>((resolve) => { wanted = resolve; }),
  };
}

function gone(): ToServiceWorker {
  const { status, error } = new OpenAIError(new PagelmError('closed', 'The page with the model was closed before its answer was complete.'));
  return { type: 'error', status, error };
}
