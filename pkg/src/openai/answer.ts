/** From a generation to what OpenAI's API answers. */
import type { Finish, Generation, Model, Part, Result, TokenLogprob as Logprob, ToolCall, Usage } from '../types.js';
import type {
  ChatCompletion, ChatCompletionChunk, ChatCompletionMessageToolCall, ChoiceLogprobs, ChunkDelta, CompletionUsage, FinishReason, TokenLogprob,
} from './types.js';

/** What every answer says about itself. */
export interface Heading {
  id: string;
  created: number;
  model: string;
}

export function heading(model: string): Heading {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { id: `chatcmpl-${id}`, created: Math.floor(Date.now() / 1000), model };
}

export async function completionOf(model: Model, head: Heading, result: Result): Promise<ChatCompletion> {
  const { text, reasoning, toolCalls } = result;
  const message: ChatCompletion['choices'][number]['message'] = { role: 'assistant', content: text === '' && toolCalls ? null : text, refusal: null };
  if (reasoning !== undefined) message.reasoning_content = reasoning;
  if (toolCalls) message.tool_calls = toolCalls.map(callOf);
  const logprobs = result.logprobs ? await logprobsOf(model, result.logprobs) : null;
  const choice = { index: 0, message, finish_reason: finishReason(result.reason), logprobs };
  return { ...head, object: 'chat.completion', choices: [choice], usage: usageOf(result.usage) };
}

/** A generation that is stopped ends without a last chunk, as a connection that is closed. */
export async function* chunksOf(model: Model, head: Heading, generation: Generation, wantsUsage: boolean): AsyncGenerator<ChatCompletionChunk, void> {
  const chunk = (delta: ChunkDelta, more: { finish_reason?: FinishReason; logprobs?: ChoiceLogprobs } = {}): ChatCompletionChunk => {
    const { finish_reason: reason = null, logprobs = null } = more;
    return { ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: reason, logprobs }], ...(wantsUsage && { usage: null }) };
  };
  let calls = 0;
  let isFirst = true;
  for await (const part of generation) {
    if (part.type === 'finish') {
      if (part.reason === 'aborted') return;
      if (isFirst) yield chunk({ role: 'assistant', content: '' });
      yield* ending(head, part, chunk, wantsUsage);
      return;
    }
    // OpenAI's first chunk has the role
    if (isFirst) yield chunk({ role: 'assistant', content: '' });
    isFirst = false;
    const logprobs = 'logprobs' in part && part.logprobs ? { logprobs: await logprobsOf(model, part.logprobs) } : {};
    const delta = deltaOf(part, calls);
    if (part.type === 'tool-call') calls += 1;
    if (delta) yield chunk(delta, logprobs);
  }
}

function* ending(head: Heading, { reason, usage }: Finish, chunk: (delta: ChunkDelta, more: { finish_reason: FinishReason }) => ChatCompletionChunk, wantsUsage: boolean) {
  yield chunk({}, { finish_reason: finishReason(reason) });
  if (wantsUsage) yield { ...head, object: 'chat.completion.chunk' as const, choices: [], usage: usageOf(usage) };
}

function deltaOf(part: Part, index: number): ChunkDelta | undefined {
  switch (part.type) {
    case 'text-delta':
      return { content: part.text };
    case 'reasoning-delta':
      return { reasoning_content: part.text };
    case 'tool-call':
      return { tool_calls: [{ index, ...callOf(part) }] };
    default:
      return undefined;
  }
}

function callOf({ id, name, arguments: text }: ToolCall): ChatCompletionMessageToolCall {
  return { id, type: 'function', function: { name, arguments: text } };
}

/** Only of generations that were not stopped. */
function finishReason(reason: Result['reason']): FinishReason {
  if (reason === 'tool-calls') return 'tool_calls';
  return reason === 'length' ? 'length' : 'stop';
}

function usageOf({ promptTokens, generatedTokens, cachedTokens }: Usage): CompletionUsage {
  return {
    prompt_tokens: promptTokens, completion_tokens: generatedTokens, total_tokens: promptTokens + generatedTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

async function logprobsOf(model: Model, logprobs: readonly Logprob[]): Promise<ChoiceLogprobs> {
  const content = await Promise.all(logprobs.map(async ({ token, logprob, top }) => ({
    ...(await namedToken(model, token, logprob)),
    top_logprobs: await Promise.all(top.map((one) => namedToken(model, one.token, one.logprob))),
  })));
  return { content, refusal: null };
}

async function namedToken(model: Model, id: number, logprob: number): Promise<TokenLogprob> {
  const token = await model.detokenize([id]);
  // half a character has no text, and then no bytes that could be told
  return { token, bytes: token.includes('\ufffd') ? null : [...new TextEncoder().encode(token)], logprob };
}
