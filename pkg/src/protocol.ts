/**
 * What the page and its worker tell each other. Every call has an id of the page's choosing; the worker answers it
 * with one `result` or `error`, a generation with any number of `delta` and then one `finish` or `error`.
 */
import type { Backend, SamplingOptions } from './engine.js';
import type { ErrorData } from './errors.js';
import type { FinishReason, LoadProgress, ModelInfo, Timings, TokenLogprob, ToolCall, Usage } from './types.js';

/** A `ModelSource` as plain data, its address absolute. */
export type SourceData =
  | { kind: 'blob'; blob: Blob }
  | { kind: 'url'; url: string; sha256?: string; headers?: Record<string, string> };

/** True when the bytes come over the network, so that keeping them saves something. */
export function isDownload(source: SourceData): source is SourceData & { kind: 'url' } {
  return source.kind === 'url' && /^https?:/.test(source.url);
}

/** `LoadOptions` after validation, without what stays on the page. */
export interface LoadSettings {
  backend: 'auto' | Backend;
  /** Absent: keep the download if the browser can. */
  cache?: 'opfs' | 'none';
  contextLength?: number;
  chatTemplate?: string;
}

export type Prompt =
  | { kind: 'text'; text: string }
  | { kind: 'tokens'; tokens: Uint32Array }
  | { kind: 'chat'; messages: string; variables?: TemplateVariables; tools?: readonly unknown[] }; // messages: JSON

/** The calls with one answer: their arguments and what they give. */
export interface Calls {
  load: { arguments: { source: SourceData; settings: LoadSettings }; result: LoadResult };
  tokenize: { arguments: { text: string; addSpecial: boolean; parseSpecial: boolean }; result: Uint32Array };
  detokenize: { arguments: { tokens: Uint32Array }; result: string };
  applyChatTemplate: { arguments: { messages: string; options: TemplateSettings }; result: string };
  logits: { arguments: { tokens: Uint32Array }; result: Float32Array };
  score: { arguments: { tokens: Uint32Array }; result: Float32Array };
}

export interface LoadResult {
  info: ModelInfo;
  fromCache: boolean;
  loadMs: number;
}

/** The engine adds the time of day; the worker takes it when the template runs. */
export interface TemplateSettings {
  tools?: readonly unknown[];
  addGenerationPrompt: boolean;
  variables?: TemplateVariables;
}

/** What a template finds by name, beside messages and tools. JSON. */
export type TemplateVariables = Readonly<Record<string, unknown>>;

export type CallMessage = { [T in keyof Calls]: { type: T; id: number } & Calls[T]['arguments'] }[keyof Calls];

export type GenerateMessage = { type: 'generate'; id: number; prompt: Prompt; options: SamplingOptions };

export type ToWorker =
  | CallMessage
  | GenerateMessage
  /** Stops the load or the generation with this id; it still answers. */
  | { type: 'cancel'; id: number };

/** One generated token, with the reasoning, the text and the calls that it made final, which may be none. */
export interface DeltaMessage {
  type: 'delta';
  id: number;
  reasoning: string;
  text: string;
  calls?: ToolCall[];
  /** Empty for what was held back until the end. */
  tokens: number[];
  logprobs?: TokenLogprob[];
}

export interface FinishMessage {
  type: 'finish';
  id: number;
  reason: FinishReason;
  usage: Usage;
  timings: Timings;
}

export type FromWorker =
  | { type: 'result'; id: number; value: Calls[keyof Calls]['result'] }
  | { type: 'error'; id: number; error: ErrorData }
  | { type: 'progress'; id: number; event: LoadProgress }
  | DeltaMessage
  | FinishMessage
  /** The engine is beyond use; the page ends the worker. */
  | { type: 'fatal'; error: ErrorData };
