export { load } from './load.js';
export { models } from './models.js';
export { PagelmError } from './errors.js';
export type { ErrorCode } from './errors.js';
export type {
  ChatMessage, ChatOptions, DownloadOptions, Evicted, Finish, FinishReason, GenerateOptions, Generation, HubOptions, ImportOptions, LoadEvent, LoadOptions, LoadProgress, LoadReady, Model, ModelCheck,
  ModelInfo, Models, ModelSource, Part, ReasoningDelta, Result, StoredModelInfo, StoreUsage, TemplateOptions, TemplateVariableOptions, TextDelta, TextPart, Timings,
  TokenizeOptions, TokenLogprob, ToolCall, UrlSource, Usage, VerifyOptions,
} from './types.js';
