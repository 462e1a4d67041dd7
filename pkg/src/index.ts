export { inspect } from './inspect.js';
export { load } from './load.js';
export { models } from './models.js';
export { PagelmError } from './errors.js';
export type { ErrorCode } from './errors.js';
export type {
  ChatMessage, ChatOptions, DownloadOptions, Evicted, Finish, FinishReason, Fit, GenerateOptions, Generation, GpuCounters, GpuWork, HubOptions, ImportOptions, InspectOptions, Inspection, LoadEvent, LoadOptions, LoadProgress, LoadReady, Model, ModelCheck, ModelInfo, ModelSource, Models, Part, ReasoningDelta, Result, StoreUsage, StoredModelInfo, TemplateOptions, TemplateVariableOptions, TextDelta, TextPart, Timings, TokenLogprob, TokenizeOptions, ToolCall, UrlSource, Usage, VerifyOptions,
} from './types.js';
