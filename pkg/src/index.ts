export { inspect } from './inspect.js';
export { load } from './load.js';
export { models } from './models.js';
export { PagelmError } from './errors.js';
export type { ErrorCode } from './errors.js';
export type { Evicted, ImportOptions, ModelCheck, Models, StoreUsage, StoredModelInfo, UnfinishedDownload, VerifyOptions } from './store-types.js';
export type {
  ChatMessage, ChatOptions, DeviceLost, DownloadOptions, Finish, FinishReason, Fit, GenerateOptions, Generation, GpuCounters, GpuWork, Grammar, HubOptions, InspectOptions, Inspection, KvCacheType, LoadEvent, LoadOptions, LoadProgress, LoadReady, LoadTimings, Model, ModelInfo, ModelSource, Part, PromptProgress, ReasoningDelta, Recovered, RecoverEvent, Result, TemplateOptions, TemplateVariableOptions, TextDelta, TextPart, Timings, TokenLogprob, TokenizeOptions, Tool, ToolCall, UrlSource, Usage, WebGpuOptions,
} from './types.js';
