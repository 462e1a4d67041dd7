/** Checks of everything that a caller passes: an option that is not understood or not honoured is an error. */
import type { GrammarText, SamplingOptions } from './engine.js';
import { PagelmError } from './errors.js';
import { DOWNLOAD_DEFAULTS, type InspectSettings, type LoadSettings, type TemplateSettings, type TemplateVariables } from './protocol.js';
import type { Evicted } from './store-types.js';
import type {
  ChatMessage, ChatOptions, DownloadOptions, GenerateOptions, Grammar, HubOptions, InspectOptions, KvCacheType,
  LoadEvent, LoadOptions, PromptProgress, RecoverEvent, TemplateOptions, TextPart, TokenizeOptions, WebGpuOptions,
} from './types.js';

/** Every key of T: `satisfies` makes the compiler notice a forgotten one. */
type Keys<T> = Record<keyof T, true>;

const LOAD_KEYS = {
  backend: true, contextLength: true, kvCacheType: true, kernels: true, threads: true, cache: true, chatTemplate: true, signal: true, onProgress: true, webgpu: true,
  hub: true, download: true, onEvict: true, onRecover: true,
} satisfies Keys<LoadOptions>;
const WEBGPU_KEYS = { prefill: true, subgroups: true } satisfies Keys<WebGpuOptions>;
const INSPECT_KEYS = { contextLength: true, kvCacheType: true, chatTemplate: true, hub: true, signal: true } satisfies Keys<InspectOptions>;
const HUB_KEYS = { baseUrl: true, token: true } satisfies Keys<HubOptions>;
const DOWNLOAD_KEYS = { connections: true, retries: true, stallMs: true } satisfies Keys<DownloadOptions>;
const GENERATE_KEYS = {
  maxTokens: true, temperature: true, topK: true, topP: true, minP: true, repetitionPenalty: true, presencePenalty: true,
  frequencyPenalty: true, seed: true, stop: true, logitBias: true, logprobs: true, ignoreEos: true, grammar: true, signal: true, onProgress: true,
} satisfies Keys<GenerateOptions>;
const GRAMMAR_KEYS = { jsonSchema: true, json: true, regex: true, lark: true } satisfies Record<Grammar extends infer One ? (One extends unknown ? keyof One : never) : never, true>;
const CHAT_KEYS = { ...GENERATE_KEYS, tools: true, enableThinking: true, templateOptions: true } satisfies Keys<ChatOptions>;
const TOKENIZE_KEYS = { addSpecial: true, parseSpecial: true } satisfies Keys<TokenizeOptions>;
const TEMPLATE_KEYS = { tools: true, addGenerationPrompt: true, enableThinking: true, templateOptions: true } satisfies Keys<TemplateOptions>;
const MESSAGE_KEYS = {
  role: true, content: true, name: true, reasoning_content: true, tool_calls: true, tool_call_id: true,
} satisfies Keys<ChatMessage>;

const PART_KEYS = { type: true, text: true } satisfies Keys<TextPart>;

/** Which of them a backend has, the engine knows. */
const KV_CACHE_TYPES = ['f32', 'f16', 'i16', 'q8_0'] as const satisfies readonly KvCacheType[];

const MAX_U32 = 0xffff_ffff;
/** The engine's counts are 32-bit and signed in places. */
const MAX_COUNT = 0x7fff_ffff;
/** As many as the engine's pool has room for. */
const MAX_THREADS = 64;
/** As many alternatives as OpenAI's API gives. */
const MAX_LOGPROBS = 20;
/** Browsers open no more to one server over HTTP/1.1 than 6; a few more help where there are several. */
const MAX_CONNECTIONS = 16;
const MAX_RETRIES = 1000;
/** A day. */
const MAX_STALL_MS = 86_400_000;

/** What `hf:` addresses need to know. */
export interface CheckedHub {
  baseUrl?: string;
  token?: string;
}

export interface CheckedLoadOptions {
  settings: LoadSettings;
  hub: CheckedHub;
  signal: AbortSignal | undefined;
  onProgress: ((event: LoadEvent) => void) | undefined;
  onEvict: ((evicted: Evicted) => void) | undefined;
  onRecover: ((event: RecoverEvent) => void) | undefined;
}

/** @throws {PagelmError} `unsupported-option`, `invalid-argument` */
export function checkLoadOptions(options: unknown): CheckedLoadOptions {
  const given = record('load options', options, LOAD_KEYS);
  const onEvict = listener(given, 'onEvict');
  return {
    settings: present<LoadSettings>({
      backend: oneOf('backend', given['backend'], ['auto', 'webgpu', 'cpu']) ?? 'auto',
      cache: oneOf('cache', given['cache'], ['opfs', 'none']),
      contextLength: integer('contextLength', given['contextLength'], 1, MAX_COUNT),
      kvCacheType: oneOf('kvCacheType', given['kvCacheType'], KV_CACHE_TYPES),
      chatTemplate: text('chatTemplate', given['chatTemplate']),
      webgpu: webgpuSettings(given['webgpu']),
      kernels: oneOf('kernels', given['kernels'], ['auto', 'baseline', 'relaxed', 'relaxed-i16', 'relaxed-i32', 'relaxed-i32-signed']),
      threads: integer('threads', given['threads'], 1, MAX_THREADS),
      download: downloadSettings(given['download']),
      evict: onEvict === undefined ? undefined : true,
    }),
    hub: checkHub(given['hub']),
    signal: abortSignal(given['signal']),
    onProgress: listener(given, 'onProgress') as CheckedLoadOptions['onProgress'],
    onEvict: onEvict as CheckedLoadOptions['onEvict'],
    onRecover: listener(given, 'onRecover') as CheckedLoadOptions['onRecover'],
  };
}

function listener(given: Record<string, unknown>, key: 'onEvict' | 'onProgress' | 'onRecover') {
  const value = given[key];
  return value === undefined || typeof value === 'function' ? value : invalid(key, value, 'a function');
}

/** @throws {PagelmError} `unsupported-option`, `invalid-argument` */
export function checkInspectOptions(options: unknown): { settings: InspectSettings; hub: CheckedHub; signal: AbortSignal | undefined } {
  const given = record('inspect options', options, INSPECT_KEYS);
  return {
    settings: present<InspectSettings>({
      contextLength: integer('contextLength', given['contextLength'], 1, MAX_COUNT),
      kvCacheType: oneOf('kvCacheType', given['kvCacheType'], KV_CACHE_TYPES),
      chatTemplate: text('chatTemplate', given['chatTemplate']),
    }),
    hub: checkHub(given['hub']),
    signal: abortSignal(given['signal']),
  };
}

function webgpuSettings(options: unknown): LoadSettings['webgpu'] {
  if (options === undefined) return undefined;
  const given = record('webgpu', options, WEBGPU_KEYS);
  const prefill = oneOf('webgpu.prefill', given['prefill'], ['auto', 'f32', 'f16', 'int8']);
  return present<NonNullable<LoadSettings['webgpu']>>({
    prefill: prefill === 'auto' ? undefined : prefill,
    subgroups: boolean('webgpu.subgroups', given['subgroups']),
  });
}

function downloadSettings(options: unknown): LoadSettings['download'] {
  const given = record('download', options, DOWNLOAD_KEYS);
  return {
    connections: integer('download.connections', given['connections'], 1, MAX_CONNECTIONS) ?? DOWNLOAD_DEFAULTS.connections,
    retries: integer('download.retries', given['retries'], 0, MAX_RETRIES) ?? DOWNLOAD_DEFAULTS.retries,
    stallMs: integer('download.stallMs', given['stallMs'], 1, MAX_STALL_MS) ?? DOWNLOAD_DEFAULTS.stallMs,
  };
}

/** @throws {PagelmError} `unsupported-option`, `invalid-argument` */
export function checkHub(options: unknown): CheckedHub {
  const given = record('hub', options, HUB_KEYS);
  const baseUrl = text('hub.baseUrl', given['baseUrl']);
  if (baseUrl !== undefined && !/^https?:\/\/[^/?#]+[^?#]*$/i.test(baseUrl)) invalid('hub.baseUrl', baseUrl, 'an http(s) address without query');
  const token = text('hub.token', given['token']);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) throw new PagelmError('invalid-argument', 'hub.token is no access token; it must be of printable ASCII characters without spaces.');
  return present<CheckedHub>({ baseUrl, token });
}

export interface CheckedGenerateOptions {
  sampling: SamplingOptions;
  signal: AbortSignal | undefined;
  onProgress: ((event: PromptProgress) => void) | undefined;
}

/** @throws {PagelmError} `unsupported-option`, `invalid-argument` */
export function checkGenerateOptions(options: unknown, vocabularySize: number): CheckedGenerateOptions {
  return checkSampling(record('generate options', options, GENERATE_KEYS), vocabularySize);
}

export interface CheckedChatOptions extends CheckedGenerateOptions {
  variables?: TemplateVariables;
  tools?: readonly unknown[];
}

/** @throws {PagelmError} `unsupported-option`, `invalid-argument` */
export function checkChatOptions(options: unknown, vocabularySize: number): CheckedChatOptions {
  const given = record('chat options', options, CHAT_KEYS);
  const tools = checkTools(given['tools']);
  if (tools !== undefined && given['grammar'] !== undefined) unsupported('grammar', given['grammar'], 'not beside tools, since calls have a form of their own');
  return present<CheckedChatOptions>({ ...checkSampling(given, vocabularySize), variables: templateVariables(given), tools });
}

/** None at all where there are none: a template may write about an empty list. */
function checkTools(value: unknown): unknown[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) invalid('tools', value, 'an array of function descriptions');
  const names = value.map((tool: unknown, index) => toolName(`tools[${index}]`, tool));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) invalid('tools', value, `one description of each function, and ${show(twice)} has two`);
  return value.length === 0 ? undefined : (json('tools', value) as unknown[]);
}

function toolName(key: string, tool: unknown): string {
  if (!isObject(tool) || tool['type'] !== 'function' || !isObject(tool['function'])) {
    return invalid(key, tool, "an object { type: 'function', function: { name, description, parameters } }");
  }
  const { name, parameters } = tool['function'];
  if (parameters !== undefined && !isObject(parameters)) invalid(`${key}.function.parameters`, parameters, 'a JSON schema');
  return checkText(`${key}.function.name`, name);
}

function checkSampling(given: Record<string, unknown>, vocabularySize: number): CheckedGenerateOptions {
  return {
    sampling: present<SamplingOptions>({
      maxTokens: integer('maxTokens', given['maxTokens'], 1, MAX_COUNT),
      temperature: number('temperature', given['temperature'], 0, Infinity),
      topK: integer('topK', given['topK'], 0, MAX_COUNT),
      topP: number('topP', given['topP'], 0, 1),
      minP: number('minP', given['minP'], 0, 1),
      repetitionPenalty: number('repetitionPenalty', given['repetitionPenalty'], Number.MIN_VALUE, Infinity),
      presencePenalty: number('presencePenalty', given['presencePenalty'], -Infinity, Infinity),
      frequencyPenalty: number('frequencyPenalty', given['frequencyPenalty'], -Infinity, Infinity),
      seed: integer('seed', given['seed'], 0, MAX_U32),
      stop: stopTexts(given['stop']),
      logitBias: logitBias(given['logitBias'], vocabularySize),
      logprobs: integer('logprobs', given['logprobs'], 0, MAX_LOGPROBS),
      ignoreEos: boolean('ignoreEos', given['ignoreEos']),
      grammar: grammar(given['grammar']),
    }),
    signal: abortSignal(given['signal']),
    onProgress: listener(given, 'onProgress') as CheckedGenerateOptions['onProgress'],
  };
}

export function checkTokenizeOptions(options: unknown): { addSpecial: boolean; parseSpecial: boolean } {
  const given = record('tokenize options', options, TOKENIZE_KEYS);
  return {
    addSpecial: boolean('addSpecial', given['addSpecial']) ?? true,
    parseSpecial: boolean('parseSpecial', given['parseSpecial']) ?? true,
  };
}

export function checkTemplateOptions(options: unknown): TemplateSettings {
  const given = record('template options', options, TEMPLATE_KEYS);
  const tools = given['tools'];
  if (tools !== undefined && !Array.isArray(tools)) invalid('tools', tools, 'an array of function descriptions');
  return present<TemplateSettings>({
    tools: tools === undefined ? undefined : (json('tools', tools) as unknown[]),
    addGenerationPrompt: boolean('addGenerationPrompt', given['addGenerationPrompt']) ?? true,
    variables: templateVariables(given),
  });
}

/** `templateOptions` with `enableThinking` under the name that templates know; undefined when neither is given. */
function templateVariables(given: Record<string, unknown>): TemplateVariables | undefined {
  const enableThinking = boolean('enableThinking', given['enableThinking']);
  const options = given['templateOptions'];
  if (options !== undefined && (!isObject(options) || Array.isArray(options))) invalid('templateOptions', options, 'an object');
  if (enableThinking === undefined && options === undefined) return undefined;
  const variables = options === undefined ? {} : (json('templateOptions', options) as Record<string, unknown>);
  if (enableThinking === undefined) return variables;
  if ('enable_thinking' in variables) invalid('templateOptions.enable_thinking', variables['enable_thinking'], 'absent beside enableThinking');
  return { ...variables, enable_thinking: enableThinking };
}

/** The messages as JSON. */
export function checkMessages(messages: unknown): string {
  if (!Array.isArray(messages) || messages.length === 0) invalid('messages', messages, 'an array with at least one message');
  messages.forEach((message, index) => checkMessage(`messages[${index}]`, message));
  return JSON.stringify(json('messages', messages));
}

function checkMessage(key: string, message: unknown): void {
  if (message === undefined) invalid(key, message, 'an object with role and content');
  const given = record(key, message, MESSAGE_KEYS);
  const role = oneOf(`${key}.role`, given['role'], ['system', 'developer', 'user', 'assistant', 'tool']);
  if (role === undefined) invalid(`${key}.role`, role, "'system', 'developer', 'user', 'assistant' or 'tool'");
  const calls = given['tool_calls'];
  if (calls !== undefined && !Array.isArray(calls)) invalid(`${key}.tool_calls`, calls, 'an array');
  const mayBeNull = role === 'assistant' && calls !== undefined;
  checkContent(`${key}.content`, given['content'], mayBeNull);
  for (const name of ['name', 'reasoning_content', 'tool_call_id']) text(`${key}.${name}`, given[name]);
}

function checkContent(key: string, content: unknown, mayBeNull: boolean): void {
  if (typeof content === 'string' || (mayBeNull && content === null)) return;
  if (!Array.isArray(content) || content.length === 0) {
    invalid(key, content, "a string or an array of texts (null only in an assistant's turn with tool_calls)");
  }
  content.forEach((part: unknown, index) => {
    const given = record(`${key}[${index}]`, part, PART_KEYS);
    if (given['type'] !== 'text') unsupported(`${key}[${index}].type`, given['type'], "only 'text' in this version");
    checkText(`${key}[${index}].text`, given['text']);
  });
}

/** @throws {PagelmError} `invalid-argument` */
export function checkText(key: string, value: unknown): string {
  return text(key, value) ?? invalid(key, value, 'a string');
}

/** Token ids, each below `vocabularySize`; at least `least` of them. */
export function checkTokens(key: string, value: unknown, vocabularySize: number, least: number): Uint32Array {
  if (!Array.isArray(value) && !(value instanceof Uint32Array)) invalid(key, value, 'an array of token ids');
  if (value.length < least) invalid(`${key}.length`, value.length, `at least ${least}`);
  // Not `forEach`, which skips the holes of a sparse array.
  return Uint32Array.from(value as ArrayLike<unknown>, (token, index) => checkToken(`${key}[${index}]`, token, vocabularySize));
}

function checkToken(key: string, token: unknown, vocabularySize: number): number {
  return integer(key, token, 0, vocabularySize - 1) ?? invalid(key, token, 'a token id');
}

/** What it says is the business of the module that reads it. */
function grammar(value: unknown): GrammarText | undefined {
  if (value === undefined) return undefined;
  const given = Object.entries(record('grammar', value, GRAMMAR_KEYS)).filter(([, text]) => text !== undefined);
  const [[key, text] = []] = given;
  if (given.length !== 1) invalid('grammar', value, `an object with one of ${Object.keys(GRAMMAR_KEYS).join(', ')}, and it has ${given.length}`);
  switch (key) {
    case 'jsonSchema':
      if (typeof text !== 'boolean' && (!isObject(text) || Array.isArray(text))) invalid('grammar.jsonSchema', text, 'a JSON schema: an object or a boolean');
      return { kind: 'jsonSchema', text: JSON.stringify(json('grammar.jsonSchema', text)) };
    case 'json':
      if (text !== true) invalid('grammar.json', text, 'true');
      return { kind: 'jsonSchema', text: '{}' };
    case 'regex':
      // the engine has a syntax of its own, without flags
      if (text instanceof RegExp) invalid('grammar.regex', text, "a string, such as the expression's source");
      return { kind: 'regex', text: checkText('grammar.regex', text) };
    default:
      return { kind: 'lark', text: checkText('grammar.lark', text) };
  }
}

function stopTexts(value: unknown): string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) invalid('stop', value, 'an array of strings');
  return value.map((stop, index) => {
    if (typeof stop !== 'string' || stop === '') invalid(`stop[${index}]`, stop, 'a string that is not empty');
    return stop;
  });
}

function logitBias(value: unknown, vocabularySize: number): [number, number][] | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) invalid('logitBias', value, 'an object or pairs from token id to number');
  // An object's keys are strings even where the caller wrote numbers.
  const pairs: unknown[] = Symbol.iterator in value
    ? [...(value as Iterable<unknown>)]
    : Object.entries(value).map(([token, bias]) => [/^\d+$/.test(token) ? Number(token) : token, bias]);
  return pairs.map((pair, index) => {
    if (!Array.isArray(pair) || pair.length !== 2) invalid(`logitBias[${index}]`, pair, 'a pair [token, bias]');
    const token = checkToken('logitBias token', pair[0], vocabularySize);
    return [token, number(`logitBias[${token}]`, pair[1], -Infinity, Infinity) ?? invalid(`logitBias[${token}]`, undefined, 'a number')];
  });
}

function abortSignal(value: unknown): AbortSignal | undefined {
  // Not `instanceof`: a signal may come from another realm.
  if (value === undefined || (isObject(value) && typeof value['aborted'] === 'boolean' && typeof value['addEventListener'] === 'function')) {
    return value as AbortSignal | undefined;
  }
  return invalid('signal', value, 'an AbortSignal');
}

/** `value` as an object with no keys but `known`; undefined counts as one without keys. */
export function record(what: string, value: unknown, known: Record<string, true>): Record<string, unknown> {
  if (value === undefined) return {};
  if (!isObject(value) || Array.isArray(value)) invalid(what, value, 'an object');
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(known, key) && value[key] !== undefined) {
      throw new PagelmError('unsupported-option', `${what}: ${show(key)} (${show(value[key])}) is not known; known are ${Object.keys(known).join(', ')}.`);
    }
  }
  return value;
}

function integer(key: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  return invalid(key, value, `an integer from ${min} to ${max}`);
}

function number(key: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max) return value;
  return invalid(key, value, `a finite number${range(min, max)}`);
}

function range(min: number, max: number): string {
  if (min === -Infinity) return '';
  if (min === Number.MIN_VALUE) return ' above 0';
  return max === Infinity ? ` of at least ${min}` : ` from ${min} to ${max}`;
}

function boolean(key: string, value: unknown): boolean | undefined {
  return value === undefined || typeof value === 'boolean' ? value : invalid(key, value, 'true or false');
}

function text(key: string, value: unknown): string | undefined {
  return value === undefined || typeof value === 'string' ? value : invalid(key, value, 'a string');
}

function oneOf<T extends string>(key: string, value: unknown, allowed: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  return allowed.find((one) => one === value) ?? invalid(key, value, allowed.map((one) => `'${one}'`).join(', '));
}

/** A copy of `value` by way of JSON, so that it cannot fail to be posted. */
function json(key: string, value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value));
  } catch (cause) {
    throw new PagelmError('invalid-argument', `${key} cannot be written as JSON: ${String(cause)}`, { cause });
  }
}

/** `fields` without those that are undefined. */
function present<T extends object>(fields: { [K in keyof T]-?: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export function invalid(key: string, value: unknown, allowed: string): never {
  throw new PagelmError('invalid-argument', `${key} is ${show(value)}; it must be ${allowed}.`);
}

export function unsupported(key: string, value: unknown, allowed: string): never {
  throw new PagelmError('unsupported-option', `${key} is ${show(value)}, which cannot be honoured: ${allowed}.`);
}

/** A value for a message: short, and never its whole content. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return `an object (${value.constructor?.name ?? 'no class'})`;
  return typeof value === 'function' ? 'a function' : String(value);
}
