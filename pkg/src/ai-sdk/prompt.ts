/** From a prompt of the AI SDK to the arguments of `Model.chat`. */
import type { LanguageModelV4CallOptions, LanguageModelV4Message, LanguageModelV4ToolResultOutput, SharedV4Warning } from '@ai-sdk/provider';
import { unsupported } from '../options.js';
import type { ChatMessage, ChatOptions, Tool } from '../types.js';

export interface CheckedCall {
  messages: ChatMessage[];
  options: ChatOptions;
  /** What the SDK may ask for and is not honoured; it asks the caller to look at them. */
  warnings: SharedV4Warning[];
}

/** @throws {PagelmError} `unsupported-option` for what cannot be left out without changing the meaning */
export function checkCall(call: LanguageModelV4CallOptions): CheckedCall {
  const warnings: SharedV4Warning[] = [];
  const { toolChoice } = call;
  if (toolChoice?.type === 'required' || toolChoice?.type === 'tool') {
    warnings.push({ type: 'unsupported', feature: 'toolChoice', details: `A call cannot be forced; '${toolChoice.type}' is taken as 'auto'.` });
  }
  const tools = toolChoice?.type === 'none' ? [] : toolsOf(call, warnings);
  return { messages: call.prompt.flatMap(messagesOf), options: { ...grammarOf(call, tools, warnings), ...optionsOf(call, tools, warnings) }, warnings };
}

function grammarOf({ responseFormat }: LanguageModelV4CallOptions, tools: Tool[], warnings: SharedV4Warning[]): Pick<ChatOptions, 'grammar'> {
  if (responseFormat?.type !== 'json') return {};
  if (tools.length === 0) return { grammar: responseFormat.schema === undefined ? { json: true } : { jsonSchema: { ...responseFormat.schema } } };
  warnings.push({ type: 'unsupported', feature: 'responseFormat', details: 'The answer is not held to JSON beside tools.' });
  return {};
}

function optionsOf(call: LanguageModelV4CallOptions, tools: Tool[], warnings: SharedV4Warning[]): ChatOptions {
  const { reasoning = 'provider-default', providerOptions } = call;
  const options: ChatOptions = {
    maxTokens: call.maxOutputTokens, temperature: call.temperature, topP: call.topP, topK: call.topK, seed: call.seed,
    presencePenalty: call.presencePenalty, frequencyPenalty: call.frequencyPenalty, signal: call.abortSignal,
    stop: call.stopSequences, ...(tools.length > 0 && { tools }),
  };
  if (reasoning === 'none') options.enableThinking = false;
  else if (reasoning !== 'provider-default') warnings.push({ type: 'unsupported', feature: 'reasoning', details: `A model thinks or does not; '${reasoning}' is not told to it.` });
  // everything else that chat() takes, checked by it
  return { ...options, ...(providerOptions?.['pagelm'] as ChatOptions | undefined) };
}

function toolsOf({ tools = [] }: LanguageModelV4CallOptions, warnings: SharedV4Warning[]): Tool[] {
  return tools.flatMap((tool): Tool[] => {
    if (tool.type !== 'function') {
      warnings.push({ type: 'unsupported', feature: `tool ${tool.id}`, details: 'Tools of other providers do not run here.' });
      return [];
    }
    const { name, description, inputSchema } = tool;
    return [{ type: 'function', function: { name, description, parameters: inputSchema as Record<string, unknown> } }];
  });
}

function messagesOf(message: LanguageModelV4Message): ChatMessage[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }];
    case 'user':
      return [{ role: 'user', content: message.content.map((part) => textOf(part)).join('') }];
    case 'assistant':
      return [assistantTurn(message.content)];
    case 'tool':
      return message.content.flatMap((part): ChatMessage[] => {
        if (part.type !== 'tool-result') return unsupported('prompt', part.type, 'only tool results in a turn of a tool');
        return [{ role: 'tool', content: resultText(part.output), tool_call_id: part.toolCallId, name: part.toolName }];
      });
  }
}

function assistantTurn(parts: Extract<LanguageModelV4Message, { role: 'assistant' }>['content']): ChatMessage {
  const texts: string[] = [];
  const thoughts: string[] = [];
  const calls: unknown[] = [];
  for (const part of parts) {
    if (part.type === 'reasoning') thoughts.push(part.text);
    // templates write arguments as JSON themselves
    else if (part.type === 'tool-call') calls.push({ id: part.toolCallId, type: 'function', function: { name: part.toolName, arguments: part.input } });
    else texts.push(textOf(part));
  }
  return {
    role: 'assistant', content: texts.join(''), ...(thoughts.length > 0 && { reasoning_content: thoughts.join('') }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function textOf(part: { type: string; text?: string }): string {
  return part.type === 'text' && part.text !== undefined ? part.text : unsupported('prompt', part.type, 'only texts, no images or files, in this version');
}

function resultText(output: LanguageModelV4ToolResultOutput): string {
  switch (output.type) {
    case 'text':
    case 'error-text':
      return output.value;
    case 'json':
    case 'error-json':
      return JSON.stringify(output.value);
    case 'execution-denied':
      return `The call was denied${output.reason === undefined ? '.' : `: ${output.reason}`}`;
    case 'content':
      return output.value.map((part) => textOf(part)).join('\n');
  }
}
