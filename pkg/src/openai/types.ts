/** The part of OpenAI's chat API that pagelm answers, as the official client declares it. */

/** What `chat.completions.create` takes. A name that is not here, or a value that cannot be honoured, is an error. */
export interface ChatCompletionRequest {
  /** A name under which a model was given. With one model only, any name means it. */
  model: string;
  messages: readonly ChatCompletionMessageParam[];
  stream?: boolean | null | undefined;
  stream_options?: { include_usage?: boolean | undefined } | null | undefined;
  max_tokens?: number | null | undefined;
  max_completion_tokens?: number | null | undefined;
  /** Default, as everywhere in pagelm: 0, not OpenAI's 1. */
  temperature?: number | null | undefined;
  top_p?: number | null | undefined;
  presence_penalty?: number | null | undefined;
  frequency_penalty?: number | null | undefined;
  seed?: number | null | undefined;
  stop?: string | readonly string[] | null | undefined;
  logit_bias?: Readonly<Record<string, number>> | null | undefined;
  logprobs?: boolean | null | undefined;
  top_logprobs?: number | null | undefined;
  tools?: readonly ChatCompletionTool[] | null | undefined;
  /** `'none'` offers no tools; a call cannot be forced. */
  tool_choice?: 'auto' | 'none' | null | undefined;
  /** `'none'` asks a model that can do so not to think. */
  reasoning_effort?: 'none' | null | undefined;
  /** More variables of the template, as other servers call them. */
  chat_template_kwargs?: Readonly<Record<string, unknown>> | null | undefined;
  top_k?: number | null | undefined;
  min_p?: number | null | undefined;
  repetition_penalty?: number | null | undefined;
  n?: 1 | null | undefined;
  parallel_tool_calls?: true | null | undefined;
  /** Holds the answer to JSON, or to a schema; `strict` or not, it always fits. Not beside tools. */
  response_format?: ResponseFormat | null | undefined;
  /** No meaning here. */
  user?: string | null | undefined;
}

/** What an answer is: text, an object of JSON, or JSON that fits a schema. */
export type ResponseFormat =
  | { type: 'text' }
  | { type: 'json_object' }
  | {
      type: 'json_schema';
      json_schema: {
        /** Has no meaning here. */
        name?: string | undefined;
        /** Has no meaning here: a model is not told of it. */
        description?: string | undefined;
        schema?: Readonly<Record<string, unknown>> | undefined;
        strict?: boolean | null | undefined;
      };
    };

/** A turn. `developer` is the system's; arguments of calls are JSON. */
export interface ChatCompletionMessageParam {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content?: string | readonly { type: 'text'; text: string }[] | null | undefined;
  name?: string | null | undefined;
  reasoning_content?: string | null | undefined;
  tool_calls?: readonly ChatCompletionMessageToolCall[] | null | undefined;
  tool_call_id?: string | null | undefined;
}

export interface ChatCompletionTool {
  type: 'function';
  function: {
    name: string;
    description?: string | undefined;
    parameters?: Readonly<Record<string, unknown>> | undefined;
    /** Calls are not held to the schema. */
    strict?: false | null | undefined;
  };
}

export interface ChatCompletionMessageToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** An answer as a whole. */
export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: {
    index: number;
    message: {
      role: 'assistant';
      content: string | null;
      refusal: null;
      /** What the model thought before it answered, under the name that other servers use. */
      reasoning_content?: string;
      tool_calls?: ChatCompletionMessageToolCall[];
    };
    finish_reason: FinishReason;
    logprobs: ChoiceLogprobs | null;
  }[];
  usage: CompletionUsage;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls';

/** A piece of an answer. */
export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: { index: number; delta: ChunkDelta; finish_reason: FinishReason | null; logprobs?: ChoiceLogprobs | null }[];
  /** Only in the last one, with `stream_options.include_usage`. */
  usage?: CompletionUsage | null;
}

export interface ChunkDelta {
  role?: 'assistant';
  content?: string | null;
  reasoning_content?: string;
  tool_calls?: (ChatCompletionMessageToolCall & { index: number })[];
}

export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

export interface ChoiceLogprobs {
  content: (TokenLogprob & { top_logprobs: TokenLogprob[] })[] | null;
  refusal: null;
}

export interface TokenLogprob {
  token: string;
  bytes: number[] | null;
  logprob: number;
}

export interface ModelsPage {
  object: 'list';
  data: { id: string; object: 'model'; created: number; owned_by: string }[];
}
