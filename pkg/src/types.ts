/**
 * Where a GGUF file comes from.
 *
 * - a string or `URL`: fetched with GET; a relative one is resolved against the page's `document.baseURI`.
 * - an object with `url`: the same, with request `headers`, and `sha256` (64 hexadecimal digits) that the bytes must
 *   have. With it, the cached copy is found by its content instead of its address.
 * - a `Blob` or `File`: read in pieces, never copied whole, never cached.
 *
 * A list is for a model in several parts. This version reads one part: a list of one is that part, a longer one is
 * refused with `unsupported-option`, as are `hf:` addresses.
 */
export type ModelSource = string | URL | Blob | readonly Blob[] | UrlSource;

/** A model behind an address; see {@link ModelSource}. */
export interface UrlSource {
  url: string | readonly string[];
  /** SHA-256 of the whole file, 64 hexadecimal digits. Other bytes are deleted and fail with `hash-mismatch`. */
  sha256?: string | undefined;
  /** Sent with the request, e.g. `{ Authorization: 'Bearer …' }`. They are no part of the cache's key. */
  headers?: Readonly<Record<string, string>> | undefined;
}

export interface LoadOptions {
  /**
   * What runs the model. Default `'auto'`: WebGPU when there is an adapter that is no software emulation and that
   * takes the model, otherwise the CPU; `ModelInfo.backendReason` says why. `'webgpu'` takes any adapter and fails with
   * `gpu-unavailable` without one.
   */
  backend?: 'auto' | 'webgpu' | 'cpu' | undefined;
  /** In tokens, for prompt and answer together. Default: 2048, or what the model was made for if that is less. */
  contextLength?: number | undefined;
  /** Type of the cached keys and values. Default and, in this version, only value: `'f32'`. */
  kvCacheType?: 'f32' | 'f16' | 'q8_0' | undefined;
  /** CPU threads. Default and, in this version, only value: 1. */
  threads?: number | undefined;
  /**
   * `'opfs'` keeps the download in the origin's private file system, so that the next load makes no request; it
   * fails with `storage` where there is none, and with `unsupported-option` for sources that are local already.
   * `'none'` keeps nothing. Default: `'opfs'` for http(s) addresses where the browser has it and has room, otherwise `'none'`.
   * A cached copy is never revalidated: new bytes need a new address or a `sha256`.
   */
  cache?: 'opfs' | 'none' | undefined;
  /** Jinja source that is used instead of the model's own chat template. */
  chatTemplate?: string | undefined;
  /** Stops loading: `load` rejects with `aborted`, the worker ends, and an unfinished download is removed. */
  signal?: AbortSignal | undefined;
  /** Called about 20 times a second at most; the last event of each type always comes. */
  onProgress?: ((event: LoadEvent) => void) | undefined;
}

/** What {@link LoadOptions.onProgress} is told. */
export type LoadEvent = LoadProgress | LoadReady;

export interface LoadProgress {
  /**
   * `download`: bytes from the network. `verify`: bytes hashed, only with `sha256`. `upload`: bytes handed to the
   * engine. `compile`: steps of preparing the kernels. The first three run at the same time.
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
}

/** Facts about a loaded model. */
export interface ModelInfo {
  /** As the file calls it, e.g. `'llama'`. */
  architecture: string;
  name: string;
  /** Number of weights. */
  parameters: number;
  /** The type of most weights, e.g. `'Q4_1'`. */
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
  /** CPU threads in use. */
  threads: number;
  /** Size of the GGUF file. */
  bytes: number;
  /** Bytes that the backend holds once the model is loaded: weights as packed, work space, and the GPU's cache. */
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
 * Every method can fail with `closed` (after {@link Model.close}), `worker-failed` (the worker died) and
 * `invalid-argument`.
 */
export interface Model {
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
  /** Ends the worker and frees its memory. Whatever is pending rejects with `closed`. Closing twice is fine. */
  close(): Promise<void>;
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
  /** Report log-probabilities with this many alternatives for each token, 0 to 20. */
  logprobs?: number | undefined;
  /** Do not stop at the model's end-of-text token. Default false. */
  ignoreEos?: boolean | undefined;
  /** Ends the generation with a `finish` part of reason `aborted`. It does not reject: the text so far is kept. */
  signal?: AbortSignal | undefined;
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
