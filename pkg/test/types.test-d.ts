/** Checked by `tsc`, never run: what must compile does, and what must not does not. */
import { type ErrorCode, type Fit, type Generation, type GpuCounters, inspect, type Inspection, load, type LoadEvent, type Model, type ModelInfo, models, PagelmError, type Part, type RecoverEvent, type Result, type StoredModelInfo, type ToolCall, type UnfinishedDownload } from 'pagelm';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<_ extends true>(): void {}

// what load takes
same<Equal<ReturnType<typeof load>, Promise<Model>>>();
load('model.gguf');
load(new URL('https://example.org/model.gguf'));
load(new Blob([]));
load([new Blob([])]);
load({ url: 'model.gguf', sha256: '00', headers: { Authorization: 'Bearer x' } });
load({ url: ['model.gguf'] });
load('model.gguf', { backend: 'auto', contextLength: 2048, kvCacheType: 'f32', webgpu: { prefill: 'auto', subgroups: true }, threads: 1, cache: 'opfs', chatTemplate: '', signal: new AbortController().signal });
load('model.gguf', { onProgress: (event) => { same<Equal<typeof event, LoadEvent>>(); } });
load('model.gguf', { onRecover: (event) => { same<Equal<typeof event, RecoverEvent>>(); if (event.type === 'recovered') same<Equal<typeof event.info, ModelInfo>>(); } });
// @ts-expect-error a number is no source
load(1);
// @ts-expect-error an unknown option
load('model.gguf', { gpu: true });
// @ts-expect-error an unknown backend
load('model.gguf', { backend: 'webgl' });
// @ts-expect-error an unknown key of a source
load({ url: 'model.gguf', sha512: '' });
// @ts-expect-error a source without url
load({ sha256: '' });

// inspect
same<Equal<ReturnType<typeof inspect>, Promise<Inspection>>>();
inspect('model.gguf', { contextLength: 4096, chatTemplate: '', signal: new AbortController().signal });
// @ts-expect-error an inspection is of no backend
inspect('model.gguf', { backend: 'cpu' });
same<Equal<Inspection['backends'], { cpu: Fit; webgpu: Fit | null }>>();
same<Equal<Inspection['quantisation'], string>>();
same<Equal<Fit['needs']['heap'], number>>();

// where files come from, and what may go for them
load('hf:owner/repo/model.gguf@main', { hub: { baseUrl: 'https://mirror', token: 'x' }, download: { connections: 8, retries: 2, stallMs: 1000 } });
load({ url: ['a', 'b'], sha256: ['0', '1'] }, { onEvict: ({ id, source, bytes }) => { same<Equal<typeof id, string | null>>(); same<Equal<typeof source, string>>(); same<Equal<typeof bytes, number>>(); } });
// @ts-expect-error an unknown option of a download
load('model.gguf', { download: { speed: 1 } });

// what is stored
same<Equal<ReturnType<typeof models.list>, Promise<StoredModelInfo[]>>>();
same<Equal<ReturnType<typeof models.unfinished>, Promise<UnfinishedDownload[]>>>();
same<Equal<ReturnType<typeof models.export>, Promise<Blob[]>>>();
models.export('id').then((files) => load(files));
models.import([new File([], 'a')], { signal: new AbortController().signal, onProgress: ({ loaded }) => { same<Equal<typeof loaded, number>>(); } });
// @ts-expect-error an id is a string
models.remove(1);

// progress
declare const event: LoadEvent;
if (event.type === 'ready') same<Equal<typeof event.info, ModelInfo>>();
else same<Equal<typeof event.loaded, number>>();

// a model
declare const model: Model;
same<Equal<Model['info'], Readonly<ModelInfo>>>();
same<Equal<ModelInfo['backendReason'], string>>();
same<Equal<ReturnType<Model['generate']>, Generation>>();
same<Equal<ReturnType<Model['logits']>, Promise<Float32Array>>>();
same<Equal<ReturnType<Model['score']>, Promise<Float32Array>>>();
same<Equal<ReturnType<Model['tokenize']>, Promise<number[]>>>();
same<Equal<ReturnType<Model['counters']>, Promise<GpuCounters | null>>>();
same<Equal<ReturnType<Model['close']>, Promise<void>>>();
model.generate([1, 2, 3], { maxTokens: 1, temperature: 0, stop: ['.'], logitBias: { 5: -1 }, logprobs: 2, ignoreEos: true });
model.generate('', { logitBias: [[5, -1]] });
model.generate('', { grammar: { jsonSchema: { type: 'object', properties: { name: { type: 'string' } } } } });
model.generate('', { grammar: { json: true } });
model.generate('', { grammar: { regex: '[a-z]+' } });
model.generate('', { grammar: { lark: 'start: "a"' } });
// @ts-expect-error the engine has a syntax of its own
model.generate('', { grammar: { regex: /a/ } });
// @ts-expect-error another dialect
model.generate('', { grammar: { gbnf: 'root ::= "a"' } });
model.generate('', { logitBias: new Map([[5, -1]]) });
model.chat([{ role: 'user', content: 'Hello' }]);
model.applyChatTemplate([{ role: 'assistant', content: null, tool_calls: [{}] }], { tools: [{}], addGenerationPrompt: false });
model.applyChatTemplate([{ role: 'user', content: [{ type: 'text', text: '' }] }], { enableThinking: false, templateOptions: { effort: 'low' } });
model.chat([{ role: 'user', content: '' }], { enableThinking: false, templateOptions: { effort: 'low' }, maxTokens: 1 });
// @ts-expect-error generate() has no template
model.generate('', { enableThinking: false });
// @ts-expect-error images are not supported
model.chat([{ role: 'user', content: [{ type: 'image', url: '' }] }]);
same<Equal<ModelInfo['chatTemplate'], 'model' | 'option' | 'default'>>();
same<Equal<Result['reasoning'], string | undefined>>();
model.tokenize('', { addSpecial: false, parseSpecial: false });
// @ts-expect-error info cannot be written
model.info.name = '';
// @ts-expect-error OpenAI's spelling is another entry point's
model.generate('', { max_tokens: 1 });
// @ts-expect-error one stop text is a list of one
model.generate('', { stop: '.' });
// @ts-expect-error an unknown role
model.chat([{ role: 'robot', content: '' }]);
// @ts-expect-error a message without content
model.chat([{ role: 'user' }]);
model.chat([{ role: 'user', content: '' }], { tools: [{ type: 'function', function: { name: 'add', description: '', parameters: {} } }] });
// @ts-expect-error a tool is a function
model.chat([{ role: 'user', content: '' }], { tools: [{ name: 'add' }] });
same<Equal<Result['toolCalls'], ToolCall[] | undefined>>();
// @ts-expect-error text() is a promise
model.generate('').text().length;

// a generation
async function read(generation: Generation): Promise<void> {
  for await (const part of generation) {
    same<Equal<typeof part, Part>>();
    if (part.type === 'text-delta') same<Equal<typeof part.text, string>>();
    if (part.type === 'reasoning-delta') same<Equal<typeof part.text, string>>();
    if (part.type === 'tool-call') same<Equal<typeof part.arguments, string>>();
    if (part.type === 'finish') same<Equal<typeof part.timings.timeToFirstTokenMs, number>>();
    // @ts-expect-error not every part has text
    part.text;
  }
  const result = await generation.result();
  same<Equal<typeof result, Result>>();
  same<Equal<Result['tokens'], number[]>>();
  same<Equal<Result['reason'], 'stop' | 'length' | 'tool-calls' | 'aborted'>>();
  same<Equal<keyof Result['usage'], 'promptTokens' | 'cachedTokens' | 'generatedTokens'>>();
}

// errors
declare const thrown: unknown;
if (PagelmError.isInstance(thrown)) same<Equal<typeof thrown.code, ErrorCode>>();
new PagelmError('network', 'message', { cause: thrown });
// @ts-expect-error an unknown code
new PagelmError('oops', 'message');
