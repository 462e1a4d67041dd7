/**
 * OpenAI's chat API over a loaded model, in the shape of the official client.
 *
 * ```js
 * import { load } from 'pagelm';
 * import { openai } from 'pagelm/openai';
 *
 * const client = openai(await load('/models/qwen3-0.6b.gguf'));
 * const stream = await client.chat.completions.create({ model: 'qwen3', messages: [{ role: 'user', content: 'Hello!' }], stream: true });
 * for await (const chunk of stream) console.log(chunk.choices[0]?.delta.content);
 * ```
 */
import { PagelmError } from './errors.js';
import { type Heading, chunksOf, completionOf, heading } from './openai/answer.js';
import { noSuchModel, toOpenAIError } from './openai/errors.js';
import { type CheckedRequest, checkRequest } from './openai/request.js';
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, ModelsPage } from './openai/types.js';
import type { Model } from './types.js';

export { OpenAIError } from './openai/errors.js';
export type { ErrorBody } from './openai/errors.js';
export type * from './openai/types.js';

/** One model, or several by the names that requests give in `model`. */
export type Models = Model | Readonly<Record<string, Model>>;

export interface RequestOptions {
  /** Ends the answer: one that is no stream rejects with `aborted`, a stream ends early. */
  signal?: AbortSignal | null | undefined;
}

/** The chunks of an answer. Leaving the loop, or `controller.abort()`, ends it. */
export interface ChatCompletionStream extends AsyncIterable<ChatCompletionChunk> {
  readonly controller: AbortController;
}

/** The part of the official client that there is. Failures are {@link OpenAIError}. */
export interface OpenAIClient {
  readonly chat: {
    readonly completions: {
      create(body: ChatCompletionRequest & { stream: true }, options?: RequestOptions): Promise<ChatCompletionStream>;
      create(body: ChatCompletionRequest & { stream?: false | null | undefined }, options?: RequestOptions): Promise<ChatCompletion>;
      create(body: ChatCompletionRequest, options?: RequestOptions): Promise<ChatCompletion | ChatCompletionStream>;
    };
  };
  readonly models: { list(): Promise<ModelsPage> };
}

/** A client of `models`, which stay the caller's to close. */
export function openai(models: Models): OpenAIClient {
  const create = async (body: ChatCompletionRequest, options: RequestOptions = {}) => {
    try {
      const request = checkRequest(body);
      return await answer(modelFor(models, request.model), request, options.signal ?? undefined);
    } catch (error) {
      throw toOpenAIError(error);
    }
  };
  return {
    chat: { completions: { create: create as OpenAIClient['chat']['completions']['create'] } },
    models: { list: async () => listOf(models) },
  };
}

async function answer(model: Model, request: CheckedRequest, signal: AbortSignal | undefined): Promise<ChatCompletion | ChatCompletionStream> {
  const controller = new AbortController();
  if (signal !== undefined) follow(signal, controller);
  const generation = model.chat(request.messages, { ...request.options, signal: controller.signal });
  const head = heading(request.model);
  if (request.isStream) return streamOf(chunksOf(model, head, generation, request.wantsUsage), controller);
  return whole(model, head, await generation.result());
}

function whole(model: Model, head: Heading, result: Awaited<ReturnType<ReturnType<Model['chat']>['result']>>): Promise<ChatCompletion> {
  if (result.reason === 'aborted') throw new PagelmError('aborted', 'The answer was stopped by the signal in the options.');
  return completionOf(model, head, result);
}

/**
 * A request that is refused fails before there is a stream, as over HTTP: the first chunk is waited for.
 */
async function streamOf(chunks: AsyncGenerator<ChatCompletionChunk, void>, controller: AbortController): Promise<ChatCompletionStream> {
  const first = await chunks.next();
  async function* all(): AsyncGenerator<ChatCompletionChunk, void> {
    try {
      if (first.done) return;
      yield first.value;
      yield* chunks;
    } catch (error) {
      throw toOpenAIError(error);
    } finally {
      controller.abort();
    }
  }
  const iterator = all();
  return { controller, [Symbol.asyncIterator]: () => iterator };
}

function follow(signal: AbortSignal, controller: AbortController): void {
  if (signal.aborted) controller.abort(signal.reason);
  else signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true, signal: controller.signal });
}

/** Models by name; a single one by its own. */
function byName(models: Models): Readonly<Record<string, Model>> {
  return isModel(models) ? { [models.info.name || 'model']: models } : models;
}

function modelFor(models: Models, name: string): Model {
  if (isModel(models)) return models;
  return (Object.hasOwn(models, name) ? models[name] : undefined) ?? unknown(name, Object.keys(models));
}

function unknown(name: string, known: readonly string[]): never {
  throw noSuchModel(name, known);
}

function isModel(models: Models): models is Model {
  return typeof (models as Partial<Model>).chat === 'function';
}

function listOf(models: Models): ModelsPage {
  const data = Object.keys(byName(models)).map((id) => ({ id, object: 'model' as const, created: 0, owned_by: 'pagelm' }));
  return { object: 'list', data };
}
