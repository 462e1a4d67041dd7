/**
 * What the page and its worker tell each other. Every call has an id of the page's choosing; the worker answers it
 * with one `result` or `error`, a generation with any number of `delta` and then one `finish` or `error`.
 */
import type { Backend, SamplingOptions, WebGpuSettings } from './engine.js';
import type { ErrorData } from './errors.js';
import type { Evicted, ModelCheck, StoreUsage, StoredModelInfo, UnfinishedDownload } from './store-types.js';
import type {
  FinishReason, GpuCounters, Inspection, KvCacheType, LoadProgress, LoadTimings, ModelInfo, PromptProgress, RecoverEvent, Timings, TokenLogprob, ToolCall, Usage,
} from './types.js';

/** A `ModelSource` as plain data, its addresses absolute: the files of a model in their order, mostly one. */
export type SourceData =
  | { kind: 'blobs'; blobs: Blob[] }
  | { kind: 'urls'; parts: RemotePart[]; headers?: Record<string, string> };

export interface RemotePart {
  url: string;
  /** What its bytes must have. */
  sha256?: string;
  /** On the hub: where the hash of a large file can be read. */
  pointer?: string;
}

/** True when the bytes come over the network, so that keeping them saves something. */
export function isDownload(source: SourceData): source is SourceData & { kind: 'urls' } {
  return source.kind === 'urls' && source.parts.every(({ url }) => /^https?:/.test(url));
}

/** `LoadOptions` after validation, without what stays on the page. */
export interface LoadSettings {
  backend: 'auto' | Backend;
  /** Absent: keep the download if the browser can. */
  cache?: 'opfs' | 'none';
  /** Whether to make room for a download; every removal is told as an event. */
  evict?: true;
  contextLength?: number;
  kvCacheType?: KvCacheType;
  webgpu?: WebGpuSettings;
  chatTemplate?: string;
  /** Of the CPU backend. Absent: the fastest that this browser can run. */
  kernels?: 'auto' | 'baseline' | 'relaxed' | 'relaxed-i16' | 'relaxed-i32' | 'relaxed-i32-signed';
  /** Of the CPU backend, at most. Absent: one a core, up to a limit. */
  threads?: number;
  download: DownloadSettings;
}

/** `InspectOptions` after validation, without what stays on the page. */
export interface InspectSettings {
  contextLength?: number;
  kvCacheType?: KvCacheType;
  chatTemplate?: string;
}

export interface DownloadSettings {
  connections: number;
  /** Of one request, without progress in between. */
  retries: number;
  stallMs: number;
}

/** 20 s without a byte is no pause of a server's that works; five retries take about 16 s of waiting. */
export const DOWNLOAD_DEFAULTS: Readonly<DownloadSettings> = { connections: 4, retries: 5, stallMs: 20_000 };

export type Prompt =
  | { kind: 'text'; text: string }
  | { kind: 'tokens'; tokens: Uint32Array }
  | { kind: 'chat'; messages: string; variables?: TemplateVariables; tools?: readonly unknown[] }; // messages: JSON

/** The calls with one answer: their arguments and what they give. */
export interface Calls {
  load: { arguments: { source: SourceData; settings: LoadSettings }; result: LoadResult };
  inspect: { arguments: { source: SourceData; settings: InspectSettings }; result: Inspection };
  store: { arguments: { request: StoreRequest }; result: StoreAnswers[keyof StoreAnswers] };
  tokenize: { arguments: { text: string; addSpecial: boolean; parseSpecial: boolean }; result: Uint32Array };
  detokenize: { arguments: { tokens: Uint32Array }; result: string };
  applyChatTemplate: { arguments: { messages: string; options: TemplateSettings }; result: string };
  logits: { arguments: { tokens: Uint32Array }; result: Float32Array };
  score: { arguments: { tokens: Uint32Array }; result: Float32Array };
  counters: { arguments: object; result: GpuCounters | null };
}

/** What a page asks of the store of models. */
export type StoreRequest =
  | { method: 'list' }
  | { method: 'inspect'; id: string }
  | { method: 'remove'; id: string }
  | { method: 'pin'; id: string; pinned: boolean }
  | { method: 'verify'; id: string }
  | { method: 'unfinished' }
  | { method: 'discard'; id: string }
  | { method: 'usage' }
  | { method: 'export'; id: string }
  | { method: 'import'; blobs: Blob[]; names: string[] };

export interface StoreAnswers {
  list: StoredModelInfo[];
  inspect: StoredModelInfo;
  remove: void;
  pin: StoredModelInfo;
  verify: ModelCheck;
  unfinished: UnfinishedDownload[];
  discard: void;
  usage: StoreUsage;
  export: Blob[];
  import: StoredModelInfo;
}

export interface LoadResult {
  info: ModelInfo;
  fromCache: boolean;
  loadMs: number;
  timings: LoadTimings;
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

export type GenerateMessage = { type: 'generate'; id: number; prompt: Prompt; options: SamplingOptions; tellProgress?: true };

/** What a page asks for. */
export type RequestMessage =
  | CallMessage
  | GenerateMessage
  /** Stops the load or the generation with this id; it still answers. */
  | { type: 'cancel'; id: number };

export type ToWorker =
  | RequestMessage
  /** Answers `threads`. */
  | ({ type: 'threads-started' } & ThreadsStarted)
  /** What other workers of this page have compiled; before any request. */
  | { type: 'compiled'; modules: CompiledModules }
  | StandByMessage
  | HelpMessage;

/** Builds of the engine, by the addresses of their files. */
export type CompiledModules = ReadonlyMap<string, WebAssembly.Module>;

/** The first message of a worker that is to be another thread of an engine: it answers `up`. */
export interface StandByMessage {
  type: 'stand-by';
}

/** The second one, and the last. */
export interface HelpMessage {
  type: 'help';
  /** Where the engine's worker has left a {@link SharedEngine}. */
  port: MessagePort;
}

/**
 * What threads have in common. The page never has it: it would keep the gigabytes of addresses that Chromium reserves for the
 * memory until it next collects garbage.
 */
export interface SharedEngine {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

/** What such a thread tells: `failed` may come after `ready`. */
export type ThreadMessage = { type: 'up' } | { type: 'ready' } | { type: 'failed'; message: string };

/** Asks for other threads. */
export interface ThreadsMessage {
  type: 'threads';
  /** One for each. */
  ports: MessagePort[];
}

/** What has become of them. */
export interface ThreadsStarted {
  /** How many there are, with the one that asked. */
  threads: number;
  /** Why there are no more. */
  failure?: string;
}

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

/** Only where `tellProgress` asks for it. */
export type PromptMessage = PromptProgress & { id: number };

export interface FinishMessage {
  type: 'finish';
  id: number;
  reason: FinishReason;
  usage: Usage;
  timings: Timings;
}

/** What a call tells before its answer. */
export type WorkerEvent = LoadProgress | ({ type: 'evicted' } & Evicted);

/** What becomes of a loaded model whose device was lost. */
export type RecoveryEvent = WorkerEvent | RecoverEvent;

export type FromWorker =
  | { type: 'result'; id: number; value: Calls[keyof Calls]['result'] }
  | { type: 'error'; id: number; error: ErrorData }
  | { type: 'progress'; id: number; event: WorkerEvent }
  /** No call has asked for it. */
  | { type: 'recovery'; event: RecoveryEvent }
  | PromptMessage
  | DeltaMessage
  | FinishMessage
  | ThreadsMessage
  /** It had to compile this, which those after it need not. */
  | { type: 'compiled'; address: string; module: WebAssembly.Module }
  /** The engine is beyond use; the page ends the worker. */
  | { type: 'fatal'; error: ErrorData };
