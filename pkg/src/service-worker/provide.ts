/** On the page: answers what the service worker passes on. */
import { PagelmError } from '../errors.js';
import { OpenAIError, toOpenAIError } from '../openai/errors.js';
import type { ChatCompletionRequest } from '../openai/types.js';
import { type ChatCompletionStream, type Models, openai } from '../openai.js';
import type { RequestMessage, ToServiceWorker } from './messages.js';

/**
 * Answers the requests of this origin's pages, which {@link serve} passes on, with `models`, as {@link openai} would.
 *
 * @returns what ends it
 * @throws {PagelmError} `unsupported-environment` where there are no service workers
 */
export function provide(models: Models): () => void {
  const container = globalThis.navigator?.serviceWorker;
  if (container === undefined) {
    throw new PagelmError('unsupported-environment', 'navigator.serviceWorker does not exist here; call provide() in a secure (https or localhost) page.');
  }
  const listen = (event: MessageEvent<unknown>) => {
    const [port] = event.ports;
    if (isRequest(event.data) && port !== undefined) void reply(models, event.data, port);
  };
  container.addEventListener('message', listen);
  container.startMessages();
  return () => container.removeEventListener('message', listen);
}

function isRequest(data: unknown): data is RequestMessage {
  return typeof data === 'object' && data !== null && (data as { type?: unknown }).type === 'pagelm:request';
}

/** Never rejects. */
async function reply(models: Models, { path, body }: RequestMessage, port: MessagePort): Promise<void> {
  const post = (message: ToServiceWorker) => port.postMessage(message);
  const controller = new AbortController();
  port.onmessage = () => controller.abort(); // there is no other message
  try {
    post({ type: 'accepted' });
    const answer = await answerOf(models, path, body, controller.signal);
    if (isStream(answer)) {
      for await (const value of answer) post({ type: 'chunk', value });
      post({ type: 'end' });
    } else {
      post({ type: 'json', value: answer });
    }
  } catch (thrown) {
    const { status, error } = toOpenAIError(thrown);
    post({ type: 'error', status, error });
  } finally {
    port.close();
  }
}

function answerOf(models: Models, path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
  const client = openai(models);
  if (path === 'models') return client.models.list();
  if (path === 'chat/completions') return client.chat.completions.create(body as ChatCompletionRequest, { signal });
  throw new OpenAIError(new PagelmError('unsupported-option', `/v1/${path} is not known; known are chat/completions and models.`), 404);
}

function isStream(answer: unknown): answer is ChatCompletionStream {
  return typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer;
}
