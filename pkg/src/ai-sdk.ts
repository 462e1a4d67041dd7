/**
 * A loaded model as a language model of the Vercel AI SDK.
 *
 * ```js
 * import { streamText } from 'ai';
 * import { load } from 'pagelm';
 * import { languageModel } from 'pagelm/ai-sdk';
 *
 * const model = languageModel(await load('/models/qwen3-0.6b.gguf'));
 * const { textStream } = streamText({ model, prompt: 'Why is the sky blue?' });
 * for await (const text of textStream) document.body.append(text);
 * ```
 */
import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { Blocks, contentOf, finishOf, usageOf } from './ai-sdk/answer.js';
import { checkCall } from './ai-sdk/prompt.js';
import { PagelmError } from './errors.js';
import type { Generation, Model, Part } from './types.js';

export interface LanguageModelOptions {
  /** Default: the model's own name. */
  modelId?: string | undefined;
}

/**
 * `model` as the AI SDK takes it (version 4 of its specification). `providerOptions: { pagelm: { … } }` passes every further option
 * of `Model.chat`. Failures are {@link PagelmError}; what the SDK asks for and cannot be honoured comes as a warning.
 */
export function languageModel(model: Model, { modelId = model.info.name || 'model' }: LanguageModelOptions = {}): LanguageModelV4 {
  return {
    specificationVersion: 'v4',
    provider: 'pagelm',
    modelId,
    supportedUrls: {},
    doGenerate: async (call) => {
      const { generation, warnings } = start(model, call);
      const result = await generation.result();
      if (result.reason === 'aborted') throw stopped(call.abortSignal);
      return { content: contentOf(result), finishReason: finishOf(result.reason), usage: usageOf(result.usage), response: { modelId }, warnings };
    },
    doStream: async (call) => {
      const { generation, warnings } = start(model, call);
      const parts = generation[Symbol.asyncIterator]();
      // what is refused fails here, before there is a stream
      const first = await parts.next();
      return { stream: streamOf([{ type: 'stream-start', warnings }, { type: 'response-metadata', modelId }], first, parts) };
    },
  };
}

function start(model: Model, call: LanguageModelV4CallOptions): { generation: Generation } & Pick<ReturnType<typeof checkCall>, 'warnings'> {
  const { messages, options, warnings } = checkCall(call);
  return { generation: model.chat(messages, options), warnings };
}

function streamOf(
  head: LanguageModelV4StreamPart[], first: IteratorResult<Part>, parts: AsyncIterator<Part>,
): ReadableStream<LanguageModelV4StreamPart> {
  const blocks = new Blocks();
  let next: Promise<IteratorResult<Part>> = Promise.resolve(first);
  return new ReadableStream<LanguageModelV4StreamPart>({
    start: (controller) => head.forEach((part) => controller.enqueue(part)),
    async pull(controller) {
      try {
        const { done, value } = await next;
        if (done) return controller.close();
        for (const part of blocks.take(value)) controller.enqueue(part);
        next = parts.next();
        next.catch(() => {}); // it is awaited above
      } catch (error) {
        controller.enqueue({ type: 'error', error });
        controller.close();
      }
    },
    cancel: async () => { await parts.return?.(); },
  });
}

/** What `fetch` rejects with, which the SDK tells from failures. */
function stopped(signal: AbortSignal | undefined): unknown {
  return signal?.reason ?? new PagelmError('aborted', 'The answer was stopped.');
}
