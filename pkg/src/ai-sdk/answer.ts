/** From a generation to the parts of the AI SDK. */
import type { LanguageModelV4Content, LanguageModelV4FinishReason, LanguageModelV4StreamPart, LanguageModelV4ToolCall, LanguageModelV4Usage } from '@ai-sdk/provider';
import type { FinishReason, Part, Result, ToolCall, Usage } from '../types.js';

export function contentOf({ reasoning, text, toolCalls = [] }: Result): LanguageModelV4Content[] {
  return [
    ...(reasoning === undefined ? [] : [{ type: 'reasoning' as const, text: reasoning }]),
    ...(text === '' ? [] : [{ type: 'text' as const, text }]),
    ...toolCalls.map(callOf),
  ];
}

export function finishOf(reason: FinishReason): LanguageModelV4FinishReason {
  return { unified: reason === 'aborted' ? 'other' : reason, raw: reason };
}

export function usageOf({ promptTokens, cachedTokens, generatedTokens }: Usage): LanguageModelV4Usage {
  return {
    inputTokens: { total: promptTokens, noCache: promptTokens - cachedTokens, cacheRead: cachedTokens, cacheWrite: undefined },
    outputTokens: { total: generatedTokens, text: undefined, reasoning: undefined },
  };
}

function callOf({ id, name, arguments: input }: ToolCall): LanguageModelV4ToolCall {
  return { type: 'tool-call', toolCallId: id, toolName: name, input };
}

/** Puts the marks around runs of text and of reasoning that the SDK wants. */
export class Blocks {
  #open: { type: 'text' | 'reasoning'; id: string } | undefined;
  #count = 0;

  /** The SDK's parts for one of the generation's. */
  take(part: Part): LanguageModelV4StreamPart[] {
    switch (part.type) {
      case 'text-delta':
        return this.#delta('text', part.text);
      case 'reasoning-delta':
        return this.#delta('reasoning', part.text);
      case 'tool-call':
        return [...this.#close(), ...this.#call(part)];
      case 'finish':
        return [...this.#close(), { type: 'finish', finishReason: finishOf(part.reason), usage: usageOf(part.usage) }];
    }
  }

  #delta(type: 'text' | 'reasoning', delta: string): LanguageModelV4StreamPart[] {
    if (this.#open?.type === type) return [{ type: `${type}-delta`, id: this.#open.id, delta }];
    const closed = this.#close();
    const id = String(this.#count++);
    this.#open = { type, id };
    return [...closed, { type: `${type}-start`, id }, { type: `${type}-delta`, id, delta }];
  }

  #call(part: ToolCall): LanguageModelV4StreamPart[] {
    const { id, name, arguments: input } = part;
    return [
      { type: 'tool-input-start', id, toolName: name }, { type: 'tool-input-delta', id, delta: input }, { type: 'tool-input-end', id }, callOf(part),
    ];
  }

  #close(): LanguageModelV4StreamPart[] {
    const open = this.#open;
    this.#open = undefined;
    return open === undefined ? [] : [{ type: `${open.type}-end`, id: open.id }];
  }
}
