/** From a request of OpenAI's API to the arguments of `Model.chat`. */
import { invalid, record, unsupported } from '../options.js';
import type { ChatMessage, ChatOptions, Grammar, Tool } from '../types.js';
import type { ChatCompletionMessageParam, ChatCompletionRequest } from './types.js';

type Keys<T> = Record<keyof T, true>;

const REQUEST_KEYS = {
  model: true, messages: true, stream: true, stream_options: true, max_tokens: true, max_completion_tokens: true, temperature: true,
  top_p: true, presence_penalty: true, frequency_penalty: true, seed: true, stop: true, logit_bias: true, logprobs: true,
  top_logprobs: true, tools: true, tool_choice: true, reasoning_effort: true, chat_template_kwargs: true, top_k: true, min_p: true,
  repetition_penalty: true, n: true, parallel_tool_calls: true, response_format: true, user: true,
} satisfies Keys<ChatCompletionRequest>;

/** What means the same under another name. */
const RENAMED = {
  temperature: 'temperature', top_p: 'topP', top_k: 'topK', min_p: 'minP', repetition_penalty: 'repetitionPenalty',
  presence_penalty: 'presencePenalty', frequency_penalty: 'frequencyPenalty', seed: 'seed', chat_template_kwargs: 'templateOptions',
} as const satisfies Partial<Record<keyof ChatCompletionRequest, keyof ChatOptions>>;

export interface CheckedRequest {
  model: string;
  isStream: boolean;
  wantsUsage: boolean;
  messages: ChatMessage[];
  /** Values are checked by `Model.chat`. */
  options: ChatOptions;
}

/** @throws {PagelmError} `unsupported-option`, `invalid-argument` */
export function checkRequest(body: unknown): CheckedRequest {
  const given = withoutNulls(record('the request', body, REQUEST_KEYS));
  refuseOthers(given);
  const { model, stream, stream_options: streamOptions } = given;
  if (typeof model !== 'string') invalid('model', model, 'a text');
  return {
    model,
    isStream: flag('stream', stream),
    wantsUsage: flag('stream_options.include_usage', record('stream_options', streamOptions, { include_usage: true })['include_usage']),
    messages: messagesOf(given['messages']),
    options: optionsOf(given),
  };
}

/** What has one value here that can be honoured. */
function refuseOthers(given: Record<string, unknown>): void {
  const { n = 1, parallel_tool_calls: parallel = true } = given;
  if (n !== 1) unsupported('n', n, 'only 1');
  if (parallel !== true) unsupported('parallel_tool_calls', parallel, 'a model writes as many calls as it likes');
  const { tool_choice: choice = 'auto', reasoning_effort: effort = 'none' } = given;
  if (choice !== 'auto' && choice !== 'none') unsupported('tool_choice', choice, "'auto' or 'none'; a call cannot be forced");
  if (effort !== 'none') unsupported('reasoning_effort', effort, "only 'none'; chat_template_kwargs sets the template's own variables");
}

function optionsOf(given: Record<string, unknown>): ChatOptions {
  const options: Record<string, unknown> = {};
  for (const [from, to] of Object.entries(RENAMED)) options[to] = given[from];
  options['maxTokens'] = given['max_completion_tokens'] ?? given['max_tokens'];
  options['stop'] = typeof given['stop'] === 'string' ? [given['stop']] : given['stop'];
  options['logitBias'] = given['logit_bias'];
  if (flag('logprobs', given['logprobs'])) options['logprobs'] = given['top_logprobs'] ?? 0;
  else if (given['top_logprobs'] !== undefined) invalid('top_logprobs', given['top_logprobs'], 'absent without logprobs');
  if (given['reasoning_effort'] === 'none') options['enableThinking'] = false;
  if (given['tools'] !== undefined && given['tool_choice'] !== 'none') options['tools'] = toolsOf(given['tools']);
  options['grammar'] = grammarOf(given['response_format']);
  if (options['grammar'] !== undefined && options['tools'] !== undefined) unsupported('response_format', given['response_format'], 'only text beside tools');
  return options as ChatOptions;
}

function grammarOf(format: unknown): Grammar | undefined {
  const { type = 'text', json_schema: described } = withoutNulls(record('response_format', format, { type: true, json_schema: true }));
  switch (type) {
    case 'text':
      return undefined;
    case 'json_object':
      return { jsonSchema: { type: 'object' } };
    case 'json_schema': {
      const key = 'response_format.json_schema';
      if (described === undefined) invalid(key, described, 'an object with a schema');
      const { schema } = withoutNulls(record(key, described, { name: true, description: true, schema: true, strict: true }));
      return schema === undefined ? { json: true } : { jsonSchema: schema as Record<string, unknown> };
    }
    default:
      return unsupported('response_format.type', type, "'text', 'json_object' or 'json_schema'");
  }
}

function toolsOf(tools: unknown): Tool[] {
  if (!Array.isArray(tools)) invalid('tools', tools, 'an array');
  return tools.map((tool: unknown, index) => {
    const { function: described, ...rest } = withoutNulls(record(`tools[${index}]`, tool, { type: true, function: true }));
    const { strict, ...named } = withoutNulls(record(`tools[${index}].function`, described, { name: true, description: true, parameters: true, strict: true }));
    if (strict !== undefined && strict !== false) unsupported(`tools[${index}].function.strict`, strict, 'calls are not held to their schema');
    return { ...rest, function: named } as unknown as Tool;
  });
}

const MESSAGE_KEYS = {
  role: true, content: true, name: true, reasoning_content: true, tool_calls: true, tool_call_id: true, refusal: true, audio: true,
  annotations: true, function_call: true,
} satisfies Record<keyof ChatCompletionMessageParam, true> & Record<string, true>;

/** Turns for a template, whose names they share. */
function messagesOf(messages: unknown): ChatMessage[] {
  if (!Array.isArray(messages)) invalid('messages', messages, 'an array');
  return messages.map((message: unknown, index) => {
    const { role, content = null, tool_calls: calls, refusal, audio, annotations, function_call: call, ...rest } =
      withoutNulls(record(`messages[${index}]`, message, MESSAGE_KEYS));
    for (const [name, value] of Object.entries({ refusal, audio, function_call: call })) {
      if (value !== undefined) unsupported(`messages[${index}].${name}`, value, 'only null');
    }
    void annotations; // of an earlier answer; says nothing to a model
    const turn = { ...rest, role: role === 'developer' ? 'system' : role, content };
    return (calls === undefined ? turn : { ...turn, tool_calls: callsOf(`messages[${index}].tool_calls`, calls) }) as ChatMessage;
  });
}

/** Templates write arguments as JSON themselves, and would do so twice. */
function callsOf(key: string, calls: unknown): unknown[] {
  if (!Array.isArray(calls)) invalid(key, calls, 'an array');
  return calls.map((call: unknown, index) => {
    const { function: called, ...rest } = record(`${key}[${index}]`, call, { id: true, type: true, function: true, index: true });
    const { arguments: text, ...named } = record(`${key}[${index}].function`, called, { name: true, arguments: true });
    return { ...rest, function: { ...named, arguments: parsed(text) } };
  });
}

function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return text ?? {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Null is what clients send for "not given". */
function withoutNulls(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== undefined));
}

function flag(key: string, value: unknown): boolean {
  if (value !== undefined && value !== null && typeof value !== 'boolean') invalid(key, value, 'true or false');
  return value === true;
}
