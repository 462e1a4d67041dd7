import type { ErrorCode } from './errors.js';
import type { Evicted } from './store-types.js';

/**
 * Where a GGUF file comes from.
 *
 * - a string or `URL`: fetched with GET; a relative one is resolved against the page's `document.baseURI`.
 *   `hf:owner/repo/path/file.gguf@revision` is a file on the hub, of branch `main` without a revision; see {@link HubOptions}.
 * - an object with `url`: the same, with request `headers`, and `sha256` (64 hexadecimal digits) that the bytes must
 *   have. With it, the cached copy is found by its content instead of its address.
 * - a `Blob` or `File`: read in pieces, never copied whole, never cached.
 *
 * A model in several files (split GGUF) is an array of its Blobs or addresses, in their order, or the address of the first file
 * if they are called `…-00001-of-00003.gguf` and so on.
 */
export type ModelSource = string | URL | Blob | readonly Blob[] | UrlSource;

/** A model behind an address; see {@link ModelSource}. */
export interface UrlSource {
  url: string | readonly string[];
  /**
   * SHA-256 of the whole file, 64 hexadecimal digits; of a model in several files, an array of one for each. Other bytes are
   * deleted and fail with `hash-mismatch`.
   */
  sha256?: string | readonly string[] | undefined;
  /** Sent with each request, e.g. `{ Authorization: 'Bearer …' }`. They are no part of the cache's key. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/** See {@link LoadOptions.kvCacheType}. */
export type KvCacheType = 'f32' | 'f16' | 'i16' | 'q8_0';

/** See {@link LoadOptions.webgpu}. */
export interface WebGpuOptions {
  /**
   * What the rows of a prompt are multiplied in with quantised weights; an answer's tokens, of which each is a single row, are multiplied in
   * f32 in any case. `'f32'`; `'f16'`, halves, where the browser has `shader-f16`; `'int8'`, integers of 8 bits as on the CPU, where it
   * has `packed_4x8_integer_dot_product`. In the latter two the largest of 32 numbers scales them, and sums of 32 products are f32. A browser
   * without them refuses with `gpu-unavailable`. Default `'auto'`: on hardware the fastest that the device has and that computes right
   * numbers, with f32 where the others are not a fifth faster; in an emulation f32.
   */
  prefill?: 'auto' | 'f32' | 'f16' | 'int8' | undefined;
  /** Whether sums are taken over subgroups where the browser has them. Default: true. */
  subgroups?: boolean | undefined;
}

export interface LoadOptions {
  /**
   * What runs the model. Default `'auto'`: WebGPU when there is an adapter that is no software emulation, computes right numbers,
   * takes the model and multiplies faster than the CPU, otherwise the CPU; `ModelInfo.backendReason` says why. The speeds are measured with
   * a model's type and shape of weights, in a fraction of a second, and remembered for a month, in the Cache API unless `cache` is
   * `'none'`. `'webgpu'` takes any adapter, however slow; it fails with `gpu-unavailable` without one, and with `gpu-failure` if its
   * numbers are wrong. A model whose GPU device is lost is loaded again, as {@link LoadOptions.onRecover} is told:
   * on another device, or on the CPU where none comes back.
   */
  backend?: 'auto' | 'webgpu' | 'cpu' | undefined;
  /** In tokens, for prompt and answer together. Default: 2048, or what the model was made for if that is less. */
  contextLength?: number | undefined;
  /**
   * Type of the cached keys and values. `'f32'`: 4 bytes each. `'f16'`: 16 bits, 2 bytes: halves on WebGPU, and on the CPU, which has
   * no instructions for halves, integers of which 32 share a scale (2.125 bytes); `'i16'` names these, and either stands for the other.
   * `'q8_0'`: integers of 8 bits, of which 32 share a scale (1.125 bytes), less exact. Default: 16 bits. `ModelInfo.kvCacheType` names
   * what it is. One that the backend has not fails with `unsupported-option`, before the body is fetched.
   */
  kvCacheType?: KvCacheType | undefined;
  /** How WebGPU is used, where it is. */
  webgpu?: WebGpuOptions | undefined;
  /**
   * Which instructions the CPU backend uses. Default `'auto'`: relaxed SIMD where the browser has it, otherwise
   * `'baseline'`, SIMD128 on one thread, which computes more exactly and more slowly. `'relaxed'` is the form of its dot product
   * that is the fastest here; with a form by name it is that one. All forms compute the same numbers. They fail with
   * `unsupported-environment` where they cannot run.
   */
  kernels?: 'auto' | 'baseline' | 'relaxed' | 'relaxed-i16' | 'relaxed-i32' | 'relaxed-i32-signed' | undefined;
  /**
   * CPU threads at most, 1 to 64. Default: as many as the device runs at the same time, but no more than 8. More than one
   * need a page that is cross-origin isolated, and relaxed SIMD; elsewhere there is one, and `ModelInfo.threadsReason` says why. The
   * model computes the same numbers with any number of threads.
   */
  threads?: number | undefined;
  /**
   * `'opfs'` keeps the download in the origin's private file system, so that the next load makes no request; it
   * fails with `storage` where there is none, and with `unsupported-option` for sources that are local already.
   * `'none'` keeps nothing. Default: `'opfs'` for http(s) addresses where the browser has it and has room, otherwise `'none'`.
   * A cached copy is never revalidated: new bytes need a new address or a `sha256`.
   */
  cache?: 'opfs' | 'none' | undefined;
  /**
   * Lets a download that does not fit remove what is needed least: unfinished downloads first, then models, the longest unused
   * first, never pinned ones, and nothing at all if that would not be enough. Called for each. Without it nothing is ever
   * removed, and a download that does not fit fails with `storage`.
   */
  onEvict?: ((evicted: Evicted) => void) | undefined;
  /** Jinja source that is used instead of the model's own chat template. */
  chatTemplate?: string | undefined;
  /** Stops loading: `load` rejects with `aborted` and the worker ends; the next load goes on with an unfinished download. */
  signal?: AbortSignal | undefined;
  /** Called about 20 times a second at most; the last event of each type always comes. */
  onProgress?: ((event: LoadEvent) => void) | undefined;
  /**
   * Called when the GPU device under the loaded model is lost (a driver's reset, a device that was taken away), and with what
   * follows. The model is loaded again from its source or its stored copy, at once if something is running, else with the next
   * call. A generation that was running goes on with the same text, calls that wait are answered, and `Model.info` says where it
   * runs now. What cannot be loaded again (an address that does not answer, a file that has changed) fails what was running with
   * `device-lost`; the next call tries again.
   */
  onRecover?: ((event: RecoverEvent) => void) | undefined;
  /** For `hf:` addresses. */
  hub?: HubOptions | undefined;
  /** How files are fetched. */
  download?: DownloadOptions | undefined;
}

/** What {@link LoadOptions.onRecover} is told, in this order; a device that is lost while the model is being loaded again is not told of. */
export type RecoverEvent = DeviceLost | LoadProgress | Recovered;

export interface DeviceLost {
  type: 'lost';
  /** What is known of the loss. */
  reason: string;
}

export interface Recovered {
  type: 'recovered';
  /** What `Model.info` is from now on. */
  info: ModelInfo;
  /** Milliseconds that loading again took. */
  recoverMs: number;
}

/** Where `hf:` addresses lead. */
export interface HubOptions {
  /** The hub or a mirror of it. Default: `'https://huggingface.co'`. */
  baseUrl?: string | undefined;
  /** An access token, for models that need one; sent to `baseUrl` as `Authorization: Bearer …`. */
  token?: string | undefined;
}

/** How files are fetched. */
export interface DownloadOptions {
  /** Byte ranges that are fetched at the same time, 1 to 16. Default: 4. A server without ranges is asked once, for all. */
  connections?: number | undefined;
  /**
   * How often a request is made again after a dropped connection, a stall, a short body, or a status of 408, 425, 429 or 5xx,
   * 0 to 1000. Waits grow from a quarter of a second to eight, unless the server names one. Progress resets the count.
   * Default: 5.
   */
  retries?: number | undefined;
  /** After so many milliseconds without a byte a request counts as failed. Default: 20000. */
  stallMs?: number | undefined;
}

/** What {@link LoadOptions.onProgress} is told. */
export type LoadEvent = LoadProgress | LoadReady;

export interface LoadProgress {
  /**
   * `download`: bytes from the network. `verify`: bytes hashed, only with `sha256`. `upload`: bytes handed to the
   * engine. `compile`: kernels that the GPU's driver has compiled, and one step at the end; on the CPU only that. All of these go on at
   * the same time.
   */
  type: 'download' | 'verify' | 'upload' | 'compile';
  loaded: number;
  /** In the unit of `loaded`; 0 while unknown (a server that does not say how long the file is). */
  total: number;
}

export interface LoadReady {
  type: 'ready';
  info: ModelInfo;
  /** True when the bytes came from the origin's private file system and no request was made. */
  fromCache: boolean;
  /** Milliseconds in the worker, from its first message until the model can generate. */
  loadMs: number;
  /** Parts of `loadMs`; the rest is opening the source, the model's header, its tokenizer, the device and its buffers. */
  timings: LoadTimings;
}

/** In milliseconds. Nothing is in two of them. */
export interface LoadTimings {
  /**
   * The engine's WebAssembly, fetched, compiled and started, while the source is being opened; and those of the GPU's kernels that are
   * not compiled when the last byte is there. A worker after the first of a page may find the WebAssembly compiled.
   */
  compileMs: number;
  /** Waiting for the model's bytes, wherever they come from. */
  readMs: number;
  /** The engine taking them in: packed for the CPU, or on their way to the GPU. */
  uploadMs: number;
}

export interface InspectOptions {
  /** The context that is reckoned with. Default: 2048, or what the model was made for if that is less. */
  contextLength?: number | undefined;
  /** As in {@link LoadOptions.kvCacheType}. */
  kvCacheType?: KvCacheType | undefined;
  /** As in {@link LoadOptions.chatTemplate}. */
  chatTemplate?: string | undefined;
  /** As in {@link LoadOptions.hub}. */
  hub?: HubOptions | undefined;
  /** Stops: `inspect` rejects with `aborted`. */
  signal?: AbortSignal | undefined;
}

/** What a file's header says, and whether this device can load the model. Sizes are in bytes. */
export interface Inspection
  extends Pick<ModelInfo, 'architecture' | 'name' | 'parameters' | 'quantisation' | 'vocabularySize' | 'bytes' | 'tokenizerError' | 'chatTemplate' | 'reasoning'> {
  /** In tokens: what the sizes are for. */
  contextLength: number;
  /** In tokens: what the model was made for. */
  maxContextLength: number;
  /** The number of weights of each type. */
  types: Readonly<Record<string, number>>;
  /** The chat template's source; null when the file has none. */
  template: string | null;
  /** Why the template cannot be used, or null. */
  templateError: string | null;
  /** `webgpu` is null where there is no adapter. */
  backends: { cpu: Fit; webgpu: Fit | null };
  /** Whether `load` with the same context and the backend `'auto'` would find room in memory. */
  fits: boolean;
  /** The backend that it would take; null when none has room. */
  backend: 'webgpu' | 'cpu' | null;
  /** One sentence: why that backend, or what is needed, what there is and what would help. */
  reason: string;
  /** Whether the origin private file system has room for the file; null where the browser does not tell. */
  storage: { needs: number; have: number | null; fits: boolean | null };
}

/** What a backend needs for a model, what there is of it, and whether that is enough. In bytes. */
export interface Fit {
  /** Nothing that is known is in the way. How much memory a GPU has is not known: it is asked when the model is loaded. */
  fits: boolean;
  /** What keys and values are reckoned in; null when the type that was asked for is not there. */
  kvCacheType: KvCacheType | null;
  needs: {
    /** As the backend packs them. */
    weights: number;
    /** Keys and values of the whole context; on WebGPU, of layers with a sliding window, of little more than the window. */
    cache: number;
    /** Activations, logits, tables of rotary angles. */
    activations: number;
    /** In WebAssembly's memory on every backend: the engine, the tokenizer, what is on its way. */
    overhead: number;
    /** WebAssembly's memory at its largest, all together. */
    heap: number;
    /** GPU buffers, all together; 0 on the CPU. */
    gpu: number;
  };
  have: {
    /** What 32-bit WebAssembly can address. */
    heap: number;
    /** For one allocation, or in one GPU buffer. */
    allocation: number;
  };
  /** The longest context with which it fits; null when it does with none. */
  maxContextLength: number | null;
  /** Why it does not fit, and what would help; null when it does. */
  problem: string | null;
  /** Of the error that `load` fails with; null when it fits. */
  code: ErrorCode | null;
}

/** Facts about a loaded model. */
export interface ModelInfo {
  /** As the file calls it, e.g. `'llama'`. */
  architecture: string;
  name: string;
  /** Number of weights. */
  parameters: number;
  /** What the file calls its mix of types, e.g. `'Q4_K_M'`, or else the type of most weights, e.g. `'Q4_1'`. */
  quantisation: string;
  /** In tokens, as loaded. */
  contextLength: number;
  /** In tokens. */
  vocabularySize: number;
  backend: 'webgpu' | 'cpu';
  /** One sentence: why this backend. */
  backendReason: string;
  /** The adapter's name, or the instruction set that the CPU runs. */
  device: string;
  /** What runs the operations: the CPU's kernels by their instructions (see {@link LoadOptions.kernels}), or WebGPU's. */
  kernels: 'baseline' | 'relaxed-i16' | 'relaxed-i32' | 'relaxed-i32-signed' | 'wgsl';
  /** How WebGPU is used, by what {@link LoadOptions.webgpu} calls it; null on the CPU. */
  webgpu: { prefill: 'f32' | 'f16' | 'int8'; subgroups: boolean } | null;
  /** Type of the cached keys and values. */
  kvCacheType: KvCacheType;
  /** CPU threads in use. */
  threads: number;
  /** One sentence: why so many. */
  threadsReason: string;
  /** Size of the GGUF file. */
  bytes: number;
  /**
   * Bytes that the backend holds once the model is loaded: weights as packed, work space, and the cache for the whole context; on WebGPU for
   * at most 512 tokens of it, from which it grows with the texts to what {@link inspect} reckons, or ends a generation with `out-of-memory`.
   */
  memoryBytes: number;
  /**
   * Why the file's tokenizer cannot be used, or null. Such a model works on token ids: text parts are empty, and
   * whatever needs text fails with `unsupported-tokenizer`.
   */
  tokenizerError: string | null;
  /**
   * Where the chat template is from: the file, the option `chatTemplate`, or pagelm, because the file has none. The last
   * is ChatML if the vocabulary has its marks (`<|im_start|>` and `<|im_end|>`), otherwise plain words: the system's
   * message, then paragraphs that begin with `User: ` and `Assistant: `; an answer then also ends before a line
   * that begins with `User:`.
   */
  chatTemplate: 'model' | 'option' | 'default';
  /**
   * What the chat template says about reasoning: it knows of `none`; it names the tags around it, so the model may
   * `always` reason; or it also looks at `enable_thinking`, so that {@link ChatOptions.enableThinking} decides.
   */
  reasoning: 'none' | 'always' | 'optional';
}

/**
 * A loaded model. Calls may overlap: generations, `logits` and `score` run one after another in the order of the
 * calls, everything else between a generation's tokens.
 *
 * Every method can fail with `closed` (after {@link Model.close}), `worker-failed` (the worker died), `device-lost` (the GPU's
 * device is gone and the model could not be loaded again, see {@link LoadOptions.onRecover}) and `invalid-argument`.
 */
export interface Model {
  /** Another object once the model was loaded again, see {@link LoadOptions.onRecover}. */
  readonly info: Readonly<ModelInfo>;
  /**
   * Continues `prompt`. A string is tokenised with the model's own first token added and special tokens recognised;
   * token ids are used as they are. It starts at once; whatever goes wrong, wrong options included, rejects the
   * generation's `text()`, `result()` and iteration.
   */
  generate(prompt: string | readonly number[], options?: GenerateOptions): Generation;
  /**
   * Answers `messages` by way of the chat template, e.g. of the model's own. What the model thinks before it answers
   * comes as `reasoning-delta` parts, without the tags around it; stop texts do not apply to it. Otherwise like
   * {@link Model.generate}, which never tells reasoning apart.
   */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation;
  /** Token ids of `text`. */
  tokenize(text: string, options?: TokenizeOptions): Promise<number[]>;
  /** The text of `tokens`, special tokens included; bytes that are not UTF-8 become U+FFFD. */
  detokenize(tokens: readonly number[]): Promise<string>;
  /** The prompt that {@link Model.chat} would use. Fails with `chat-template`. */
  applyChatTemplate(messages: readonly ChatMessage[], options?: TemplateOptions): Promise<string>;
  /** Logits for the token after `tokens`, (vocabularySize). */
  logits(tokens: readonly number[]): Promise<Float32Array>;
  /** Natural-log probability of each of `tokens[1..]` given all tokens before it, (tokens.length - 1). */
  score(tokens: readonly number[]): Promise<Float32Array>;
  /** What the GPU was asked to do so far; null on the CPU. Asked between a generation's tokens, it answers at once. */
  counters(): Promise<GpuCounters | null>;
  /** Ends the worker and frees its memory. Whatever is pending rejects with `closed`. Closing twice is fine. */
  close(): Promise<void>;
}

/** Work that a model has given to the GPU. */
export interface GpuCounters {
  /** Since loading began. */
  total: GpuWork;
  /** Since the latest step began: a block of a prompt or a token. */
  step: GpuWork;
  /** Shaders that were compiled. */
  pipelines: number;
  /** Bytes of all buffers that there are now. */
  bufferBytes: number;
}

/** Counted where WebGPU is called. */
export interface GpuWork {
  /** Compute passes: one a step, or where a device is slow as many as the step is cut into. Each is a submit. */
  passes: number;
  dispatches: number;
  submits: number;
  /** Bytes that were written to buffers. */
  bytesWritten: number;
  /** Bytes that were mapped for reading. */
  bytesRead: number;
  /** Bytes of packed weights that the dispatches read: of the embedding table a row a token, of experts the used ones. */
  weightBytes: number;
}

export interface TokenizeOptions {
  /** Add the tokens that the model wants around a text, such as its first one. Default true. */
  addSpecial?: boolean | undefined;
  /** Recognise special tokens written out in the text, such as `<|im_end|>`. Default true. */
  parseSpecial?: boolean | undefined;
}

/** What a chat template looks at besides the messages. */
export interface TemplateVariableOptions {
  /**
   * Whether the model shall think before it answers: the template's variable `enable_thinking`. Fails with
   * `invalid-argument` where the template does not look at it, except that `false` is fine without any reasoning;
   * `ModelInfo.reasoning` says so beforehand. Default: the template's own.
   */
  enableThinking?: boolean | undefined;
  /**
   * More variables of the template, by the template's names, e.g. `{ reasoning_effort: 'low' }`; what transformers
   * calls `chat_template_kwargs`. Must be JSON. A name that the template does not use fails with `invalid-argument`.
   */
  templateOptions?: Readonly<Record<string, unknown>> | undefined;
}

export interface TemplateOptions extends TemplateVariableOptions {
  /** Function descriptions in the form that the template expects, usually OpenAI's; must be JSON. */
  tools?: readonly unknown[] | undefined;
  /** End with the opening of the assistant's turn. Default true. */
  addGenerationPrompt?: boolean | undefined;
}

/** One turn of a conversation, with the names that chat templates use. */
export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  /**
   * A list of texts reaches the template as it is if the template takes lists, otherwise as one text with a line for
   * each. Null only in an assistant's turn with `tool_calls`.
   */
  content: string | readonly TextPart[] | null;
  name?: string | undefined;
  /** What the assistant thought, for templates that repeat it: the `reasoning` of the earlier {@link Result}. */
  reasoning_content?: string | undefined;
  /** Passed to the template as it is; must be JSON. */
  tool_calls?: readonly unknown[] | undefined;
  tool_call_id?: string | undefined;
}

/** A part of a message. */
export interface TextPart {
  type: 'text';
  text: string;
}

/** {@link GenerateOptions} and what the template looks at. */
export interface ChatOptions extends GenerateOptions, TemplateVariableOptions {
  /**
   * What the model may call, in OpenAI's form. Its calls come as `tool-call` parts, and the generation then ends with the
   * reason `tool-calls`. Answer them with an assistant message that repeats them as `tool_calls` and a `tool` message for
   * each. Without tools, calls are text. A model whose template knows of no tools fails with `invalid-argument`.
   */
  tools?: readonly Tool[] | undefined;
}

/** A function that the model may call. */
export interface Tool {
  type: 'function';
  function: {
    name: string;
    description?: string | undefined;
    /** JSON schema of the arguments, an object's. */
    parameters?: Readonly<Record<string, unknown>> | undefined;
  };
}

/** How to generate. Unknown names and values out of range are errors. Where no default is given, the default is "off". */
export interface GenerateOptions {
  /** At most this many tokens, at least 1. Default: until the model ends or the context is full. */
  maxTokens?: number | undefined;
  /** At least 0; 0 always takes the most likely token (greedy). Default: 0. */
  temperature?: number | undefined;
  /** Keep the k most likely tokens; 0 keeps all. Default: 0. */
  topK?: number | undefined;
  /** Keep the most likely tokens that together have this probability, 0 to 1; 1 keeps all. Default: 1. */
  topP?: number | undefined;
  /** Keep tokens of at least this share of the best one's probability, 0 to 1; 0 keeps all. Default: 0. */
  minP?: number | undefined;
  /**
   * Above 0; logits of the last 64 tokens, of prompt and answer alike, are divided by it when positive, multiplied
   * when not. 1 is off.
   */
  repetitionPenalty?: number | undefined;
  /** Taken off the logit of each of the last 64 tokens, once. 0 is off. */
  presencePenalty?: number | undefined;
  /** Taken off a token's logit as often as it is among the last 64. 0 is off. */
  frequencyPenalty?: number | undefined;
  /** 0 to 4294967295. The same seed, model, backend and options give the same text. Default: a new one each time. */
  seed?: number | undefined;
  /** Texts that end the generation; they are not part of the output. At most 16 of 1 to 1024 bytes. */
  stop?: readonly string[] | undefined;
  /** What to add to the logits of some tokens: an object or pairs from token id to number. */
  logitBias?: Readonly<Record<number, number>> | Iterable<readonly [number, number]> | undefined;
  /**
   * Report log-probabilities with this many alternatives for each token, 0 to 20: the model's own, whatever a bias, a penalty or a
   * grammar changes. On WebGPU each token then waits until all
   * logits are read back (4 bytes a token of the vocabulary).
   */
  logprobs?: number | undefined;
  /**
   * Do not stop at the model's end-of-text token. Default false. With a {@link Grammar} the answer then goes on as long as something
   * can follow.
   */
  ignoreEos?: boolean | undefined;
  /**
   * What the answer has to be; see {@link Grammar}. Tokens that do not fit are never chosen. It ends with the reason `stop` as soon as
   * nothing can follow, or where the model ends it and it may. With the reason `length`, with a text of `stop`, or stopped, it may be
   * cut in the middle. What a model thinks before it answers is free; not possible beside `tools`.
   */
  grammar?: Grammar | undefined;
  /**
   * Ends the generation with a `finish` part of reason `aborted`, in the middle of a prompt, too. It does not reject: the text so far
   * is kept.
   */
  signal?: AbortSignal | undefined;
  /**
   * Called while the prompt is evaluated: at its beginning, whenever a block of it is done, and at the first token, if there is one.
   * Block sizes depend on the device.
   */
  onProgress?: ((event: PromptProgress) => void) | undefined;
}

/**
 * What an answer is held to. Read by llguidance, a module of its own that is fetched when a grammar is first used (350 KB). A grammar that
 * is not well-formed, or that uses what is not supported, fails with `invalid-argument`; one that is too large, or takes too much work,
 * with `limit-exceeded`; both reject the generation.
 *
 * A model is not told of its grammar: say in the prompt what is asked for, too.
 */
export type Grammar =
  /**
   * JSON that fits a schema; properties come in the schema's order. References are to `#/…` of the schema itself. What
   * {@link https://github.com/guidance-ai/llguidance/blob/main/docs/json_schema.md llguidance supports}.
   */
  | { jsonSchema: Readonly<Record<string, unknown>> | boolean }
  /** Any JSON. */
  | { json: true }
  /** A regular expression that the whole answer matches, as Rust's `regex` reads it: without look-around and back-references. */
  | { regex: string }
  /** A context-free grammar in {@link https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md llguidance's dialect of Lark}. */
  | { lark: string };

/** What {@link GenerateOptions.onProgress} is told, in tokens. */
export interface PromptProgress {
  type: 'prompt';
  /** Those that are evaluated, with those that were still known from an earlier generation. */
  loaded: number;
  /** The whole prompt. */
  total: number;
}

/**
 * A running generation. Read it once as a stream, as a whole, or both:
 *
 * ```js
 * for await (const part of model.generate('Once upon a time')) {
 *   if (part.type === 'text-delta') show(part.text);
 * }
 * ```
 *
 * It runs whether or not it is read. Leaving the loop early stops it. A second iteration fails with
 * `invalid-argument`. When it fails, the error reaches every reader; with none it is not reported anywhere.
 */
export interface Generation extends AsyncIterable<Part> {
  /** The whole text, without reasoning; of a stopped generation, the text so far. */
  text(): Promise<string>;
  /** Everything about the generation, once it has ended. */
  result(): Promise<Result>;
}

/** A piece of a {@link Generation}. The last one is always a `finish`. Ignore types you do not know. */
export type Part = TextDelta | ReasoningDelta | ToolCall | Finish;

export interface TextDelta {
  type: 'text-delta';
  /** Never empty, never half a character. */
  text: string;
  /** Only with the option `logprobs`: of the tokens since the last delta. */
  logprobs?: TokenLogprob[];
}

/** What the model thinks before it answers; only in {@link Model.chat}, and always before the first `text-delta`. */
export interface ReasoningDelta {
  type: 'reasoning-delta';
  /** As in {@link TextDelta}. */
  text: string;
  /** As in {@link TextDelta}. */
  logprobs?: TokenLogprob[];
}

/**
 * A call that the model asks for; only in {@link Model.chat} with `tools`, once the call is complete. What is no well-formed
 * call comes as text. Nothing says that the arguments are those of the schema, or that the tool is one that was offered.
 */
export interface ToolCall {
  type: 'tool-call';
  /** The model's own, or nine letters and digits. */
  id: string;
  name: string;
  /** JSON, an object. */
  arguments: string;
}

export interface Finish {
  type: 'finish';
  reason: FinishReason;
  usage: Usage;
  timings: Timings;
}

/**
 * `stop`: the model ended its text, or a `stop` text appeared. `length`: `maxTokens` or the context is used up.
 * `aborted`: the signal, or the loop was left. `tool-calls`: as `stop`, and the answer has calls.
 */
export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'aborted';

/** A generation as a whole. */
export interface Result {
  /** The answer, without reasoning. */
  text: string;
  /** What the model thought before it answered, if it did. */
  reasoning?: string;
  /** The calls that the model asks for, if there are any. */
  toolCalls?: ToolCall[];
  /** Ids of the generated tokens, without an end-of-text token that stopped it. */
  tokens: number[];
  reason: FinishReason;
  usage: Usage;
  timings: Timings;
  /** Only with the option `logprobs`: one for each of `tokens`. */
  logprobs?: TokenLogprob[];
}

export interface TokenLogprob {
  token: number;
  /** Natural logarithm. */
  logprob: number;
  /** The most likely tokens in this place, most likely first; as many as the option `logprobs` asked for. */
  top: { token: number; logprob: number }[];
}

/** In tokens. */
export interface Usage {
  /** The whole prompt. */
  promptTokens: number;
  /** How many of `promptTokens` were still known from an earlier generation. */
  cachedTokens: number;
  generatedTokens: number;
}

/** Counts in tokens, times in milliseconds measured in the worker. */
export interface Timings extends Usage {
  /** Processing the `promptTokens - cachedTokens` tokens that were not known, until the whole prompt is done. */
  promptMs: number;
  /** From the end of the prompt to the end of the generation. */
  generateMs: number;
  /** From the worker's receipt of the call, waiting for earlier generations included, to the first token; 0 without one. */
  timeToFirstTokenMs: number;
}
