export { load } from './load.js';
export { PagelmError } from './errors.js';
export type { ErrorCode } from './errors.js';
export type {
  ChatMessage, ChatOptions, Finish, FinishReason, GenerateOptions, Generation, GpuCounters, GpuWork, LoadEvent, LoadOptions, LoadProgress, LoadReady, Model,
  ModelInfo, ModelSource, Part, ReasoningDelta, Result, TemplateOptions, TemplateVariableOptions, TextDelta, TextPart, Timings,
  TokenizeOptions, TokenLogprob, ToolCall, UrlSource, Usage,
} from './types.js';
