/**
 * The engine's JavaScript API, as the Rust crate's `web` floor exports it through wasm-bindgen.
 *
 * The engine is not re-entrant: while a method's promise is pending, no other method of the same object may be
 * called (wasm-bindgen refuses it). `session.ts` keeps that rule. Everything here throws `Error` objects that have
 * a string property `code`, one of the engine's codes in `errors.ts`.
 */

import type { Fit, GpuCounters, Inspection, KvCacheType, ModelInfo } from './types.js';

/** Which kernels run the model. */
export type Backend = 'webgpu' | 'cpu';

/** SHA-256 over a stream of bytes. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** 64 lower-case hexadecimal digits. */
  hex(): string;
  free(): void;
}

export interface LoaderOptions {
  backend: Backend;
  /** In tokens. */
  contextLength?: number;
  /** Absent: the backend's default. */
  kvCacheType?: KvCacheType;
  /** Jinja source that replaces the file's own template. */
  chatTemplate?: string;
  /** Size of the GGUF file in bytes; of a model in several, of the first. */
  fileBytes: number;
  webgpu?: WebGpuSettings;
}

/** How WebGPU is used; what is absent is measured, or depends on the device. */
export interface WebGpuSettings {
  prefill?: 'f32' | 'f16' | 'int8';
  subgroups?: boolean;
}

/** Takes a GGUF file as a stream of bytes. Nothing that was pushed is referred to after `push` returns. */
export interface Loader {
  /**
   * Of a model in several files: takes the first bytes of the next one, which has `bytes` bytes, before the first push. 0, or how
   * many of its first bytes are needed. What is pushed then is all files end to end.
   */
  addPart(prefix: Uint8Array, bytes: number): number;
  /** True exactly once: the header is complete, and `prepare` must be awaited before the next push. */
  push(bytes: Uint8Array): boolean;
  /** Room in the engine's memory, to be filled from its beginning and then given to {@link pushStaged}. A view: of no use after any other call. */
  stage?(bytes: number): Uint8Array;
  /** {@link push} of the first bytes of that room, which need not be copied. */
  pushStaged?(bytes: number): boolean;
  /** Whether the model fits, once the header is complete. */
  fits(adapter?: AdapterLimits): EngineFits;
  /** What a measurement of {@link tune} holds for, beside the adapter; undefined on the CPU. */
  tuningKey?(): string | undefined;
  /**
   * Gets the device and tests it, which {@link prepare} does not do again, divides its products as `split` says and computes a prompt's in
   * `prefill`. Without `split`, measures which way is fastest, and the CPU's speed; undefined where that cannot be measured.
   */
  tune?(split?: boolean, prefill?: Tuning['prefill']): Promise<Tuning | undefined>;
  /** Checks the model, gets the device, allocates. */
  prepare(): Promise<void>;
  /** Waits for the GPU's uploads. */
  flush(): Promise<void>;
  /** How many of the GPU's shaders are still being compiled, since {@link prepare}; {@link finish} does not wait for them. */
  compiling?(): number;
  /** Consumes the loader: it must not be freed afterwards. Throws when bytes are missing. */
  finish(): Promise<Engine>;
  free(): void;
}

/** What was measured of products with the model's main type of weights, in bytes of weights a second. */
export interface Tuning {
  /** Whether several of the GPU's invocations share a row of a matrix. */
  split: boolean;
  /** What a prompt is multiplied in. */
  prefill: 'f32' | 'f16' | 'int8';
  webgpu: number;
  /** With one thread. */
  cpu: number;
  /** Milliseconds that measuring took, the CPU included, and the passes that compile; of what was measured just now. */
  ms?: number;
  compiling?: number;
}

/** Of a WebGPU adapter's `limits`, in bytes. */
export interface AdapterLimits {
  maxBufferSize: number;
  maxStorageBufferBindingSize: number;
}

/** What each backend says. */
export interface EngineFits {
  cpu: Fit;
  /** Null without an adapter. */
  webgpu: Fit | null;
}

/** Takes the beginning of a GGUF file. */
export interface Inspector {
  /** As the loader's. */
  addPart(prefix: Uint8Array, bytes: number): number;
  /** True exactly once: the header is complete. Not every piece is looked at; an empty one makes it look. */
  push(bytes: Uint8Array): boolean;
  report(adapter?: AdapterLimits): EngineInspection;
  free(): void;
}

/** `Inspection` without what JavaScript adds. */
export type EngineInspection = Omit<Inspection, 'fits' | 'backend' | 'reason' | 'storage'>;

/** `ModelInfo` without what JavaScript adds. */
export interface EngineInfo {
  architecture: string;
  name: string;
  parameters: number;
  quantisation: string;
  contextLength: number;
  vocabularySize: number;
  backend: Backend;
  device: string;
  kernels: 'baseline' | 'relaxed-i16' | 'relaxed-i32' | 'relaxed-i32-signed' | 'wgsl';
  threads: number;
  webgpu: ModelInfo['webgpu'];
  kvCacheType: KvCacheType;
  bytes: number;
  memoryBytes: number;
  tokenizerError: string | null;
  chatTemplate: 'model' | 'option' | 'default';
  reasoning: 'none' | 'always' | 'optional';
}

/** `GenerateOptions` after validation: plain data, absent when not given. */
export interface SamplingOptions {
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  seed?: number;
  stop?: string[];
  /** Pairs of a token and what is added to its logit. */
  logitBias?: [number, number][];
  logprobs?: number;
  ignoreEos?: boolean;
  grammar?: GrammarText;
}

/** What `grammar/src/lib.rs` reads. */
export interface GrammarText {
  kind: 'jsonSchema' | 'regex' | 'lark';
  text: string;
}

export interface StartOptions extends Omit<SamplingOptions, 'grammar'> {
  /** In a chat, what the template gave: the engine then tells reasoning from the answer. */
  chatPrompt?: string;
  /** JSON; in a chat with tools, those that the template was given: the engine then tells their calls from the answer. */
  tools?: string;
  /** The answer is held to what {@link Engine.allow} says before each of its tokens. */
  constrained?: true;
}

/** A call of a tool. */
export interface EngineCall {
  id?: string;
  name: string;
  /** JSON, an object. */
  arguments: string;
}

/** What can be shown: reasoning first, then text, then calls. Each may be empty. */
export interface Pieces {
  reasoning: string;
  text: string;
  calls: EngineCall[];
}

/** The chosen token's log-probability and the most likely alternatives, most likely first. */
export interface StepLogprob {
  logprob: number;
  top: { token: number; logprob: number }[];
}

export type Step =
  // `done` are known to be evaluated; a step may have handed over a part of a block, and not add any
  | { type: 'prefill'; done: number; total: number }
  // `isConstrained`: it is one of those that were allowed, so that others follow it; without it, of a model's reasoning
  | ({ type: 'token'; token: number; logprob?: StepLogprob; isConstrained?: true } & Pieces)
  | ({ type: 'finish'; reason: 'stop' | 'length' } & Pieces);

/** A loaded model. */
export interface Engine {
  info(): EngineInfo;
  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Uint32Array;
  detokenize(tokens: Uint32Array): string;
  /** Both arguments are JSON; the options are `{ tools?, addGenerationPrompt?, variables?, now }`, `now` in local seconds since 1970. */
  applyChatTemplate(messagesJson: string, optionsJson: string): string;
  /** Begins a generation; there is at most one at a time. */
  start(prompt: Uint32Array, options: StartOptions): { promptTokens: number; cachedTokens: number };
  /** All tokens, as the module of grammars takes them. */
  packedVocabulary(): Uint8Array;
  /** Says which tokens a constrained generation may choose from for its answer, until the next call: bit i of the words is token i. */
  allow(words: Uint32Array): void;
  /**
   * Goes on with a generation that another engine with the same model began, after `start` with the same prompt and options:
   * takes the tokens that it gave, whose text is not given again.
   */
  replay(generated: Uint32Array): void;
  /** A failure ends the generation; after `device-lost` and `gpu-failure`, `stop` still gives what was held back. */
  step(): Promise<Step>;
  /** Ends the running generation; returns what was still held back. */
  stop(): Pieces;
  /** (vocabularySize) */
  logits(tokens: Uint32Array): Promise<Float32Array>;
  /** (tokens.length - 1) */
  score(tokens: Uint32Array): Promise<Float32Array>;
  counters(): GpuCounters | null;
  free(): void;
}

/** The module's classes: what `import * as wasm` gives, and what the tests replace. */
export interface EngineModule {
  Hasher: new () => Hasher;
  Loader: new (options: LoaderOptions) => Loader;
  Inspector: new (options: { fileBytes: number; contextLength?: number; kvCacheType?: KvCacheType; chatTemplate?: string }) => Inspector;
  /** How many threads a CPU loader that is prepared from now on has; the others are there, or about to be. */
  setThreads(count: number): void;
  /** How many of them share the work of a single token, at most. */
  setRowThreads(count: number): void;
  /** Names of the CPU's kernels that compute correctly here, the fastest first. All give the same numbers. */
  kernelForms(): string[];
  /** Uses these from now on. */
  setKernels(name: string): void;
  /** This module, for other workers. */
  compiledModule(): WebAssembly.Module;
}

/** What the build with threads has beside that. */
export interface ThreadedModule extends EngineModule {
  /** The life of another thread: it does not return. */
  help(): void;
  /** Says that a thread ended for an error, so that nobody waits for it. */
  helpFailed(): void;
}

/** The module's default export: fetches and starts the WebAssembly. */
export type InitEngine = (input: {
  module_or_path: URL | string | WebAssembly.Module | Response | Promise<Response>;
  /** That of the other threads. */
  memory?: WebAssembly.Memory;
}) => Promise<{ memory: WebAssembly.Memory }>;
