/** Checked by `tsc`, never run: the other entry points, beside the types of the libraries that they are made for. */
import type { LanguageModelV4 } from '@ai-sdk/provider';
import type OpenAI from 'openai';
import { type Model, PagelmError } from 'pagelm';
import { languageModel } from 'pagelm/ai-sdk';
import { type ChatCompletionStream, OpenAIError, openai } from 'pagelm/openai';
import { provide, serve } from 'pagelm/service-worker';

declare const model: Model;

// openai: what it gives is what the official client gives
const client = openai({ one: model });
const messages = [{ role: 'user', content: 'Hello' }] as const;
const whole: Promise<OpenAI.ChatCompletion> = client.chat.completions.create({ model: 'one', messages });
const stream: Promise<ChatCompletionStream & AsyncIterable<OpenAI.ChatCompletionChunk>> =
  client.chat.completions.create({ model: 'one', messages, stream: true, stream_options: { include_usage: true } });
client.chat.completions.create({ model: 'one', messages, max_tokens: 5, stop: ['.'], tools: [{ type: 'function', function: { name: 'add' } }], tool_choice: 'auto' });
client.chat.completions.create({ model: 'one', messages, response_format: { type: 'json_object' } });
declare const format: OpenAI.ResponseFormatJSONSchema | OpenAI.ResponseFormatJSONObject | OpenAI.ResponseFormatText;
client.chat.completions.create({ model: 'one', messages, response_format: format });
// and what it gives it takes again
whole.then(({ choices }) => client.chat.completions.create({ model: 'one', messages: [...messages, ...choices.map(({ message }) => ({ role: message.role, content: message.content }))] }));
// @ts-expect-error pagelm's spelling is another entry point's
client.chat.completions.create({ model: 'one', messages, maxTokens: 5 });
// @ts-expect-error a call cannot be forced
client.chat.completions.create({ model: 'one', messages, tool_choice: 'required' });
// @ts-expect-error there are no embeddings
client.embeddings;
declare const error: OpenAIError;
const both: PagelmError & { status: number } = error;

// service-worker
serve({ path: '/ai/' });
const end: () => void = provide(model);
provide({ one: model, two: model });

// ai-sdk
const language: LanguageModelV4 = languageModel(model, { modelId: 'one' });
// @ts-expect-error an unknown option
languageModel(model, { name: 'one' });

export { both, end, language, stream, whole };
