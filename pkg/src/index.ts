export { load } from './load.js';
export { PagelmError } from './errors.js';
export type { ErrorCode } from './errors.js';
export type {
  ChatMessage, ChatOptions, Finish, FinishReason, GenerateOptions, Generation, LoadEvent, LoadOptions, LoadProgress, LoadReady, Model,
  ModelInfo, ModelSource, Part, ReasoningDelta, Result, TemplateOptions, TemplateVariableOptions, TextDelta, TextPart, Timings,
  TokenizeOptions, TokenLogprob, Tool, ToolCall, UrlSource, Usage,
} from './types.js';
