/** On the page: a loaded model, which is a front for the worker. */
import type { Connection } from './connection.js';
import { PagelmError, toPagelmError } from './errors.js';
import {
  type CheckedGenerateOptions, checkChatOptions, checkGenerateOptions, checkMessages, checkTemplateOptions, checkText, checkTokenizeOptions, checkTokens,
} from './options.js';
import type { Prompt } from './protocol.js';
import { GenerationStream } from './stream.js';
import type { ChatMessage, ChatOptions, GenerateOptions, Generation, GpuCounters, Model, ModelInfo, TemplateOptions, TokenizeOptions } from './types.js';

export class WorkerModel implements Model {
  #info: Readonly<ModelInfo>;
  readonly #connection: Connection;

  constructor(info: ModelInfo, connection: Connection) {
    this.#info = Object.freeze(info);
    this.#connection = connection;
  }

  get info(): Readonly<ModelInfo> {
    return this.#info;
  }

  /** It was loaded again, and may be elsewhere. */
  recovered(info: ModelInfo): void {
    this.#info = Object.freeze(info);
  }

  generate(prompt: string | readonly number[], options?: GenerateOptions): Generation {
    return this.#start(() => ({ ...checkGenerateOptions(options, this.info.vocabularySize), prompt: this.#prompt(prompt) }));
  }

  chat(messages: readonly ChatMessage[], options?: ChatOptions): Generation {
    return this.#start(() => {
      const { variables, tools, ...checked } = checkChatOptions(options, this.info.vocabularySize);
      return { ...checked, prompt: { kind: 'chat', messages: checkMessages(messages), ...(variables && { variables }), ...(tools && { tools }) } };
    });
  }

  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    const checked = { text: checkText('text', text), ...checkTokenizeOptions(options) };
    return Array.from(await this.#connection.call<'tokenize'>({ type: 'tokenize', ...checked }).answer);
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    return this.#connection.call<'detokenize'>({ type: 'detokenize', tokens: this.#tokens(tokens, 0) }).answer;
  }

  async applyChatTemplate(messages: readonly ChatMessage[], options?: TemplateOptions): Promise<string> {
    const checked = { messages: checkMessages(messages), options: checkTemplateOptions(options) };
    return this.#connection.call<'applyChatTemplate'>({ type: 'applyChatTemplate', ...checked }).answer;
  }

  async logits(tokens: readonly number[]): Promise<Float32Array> {
    return this.#connection.call<'logits'>({ type: 'logits', tokens: this.#tokens(tokens, 1) }).answer;
  }

  async score(tokens: readonly number[]): Promise<Float32Array> {
    return this.#connection.call<'score'>({ type: 'score', tokens: this.#tokens(tokens, 1) }).answer;
  }

  async counters(): Promise<GpuCounters | null> {
    return this.#connection.call<'counters'>({ type: 'counters' }).answer;
  }

  async close(): Promise<void> {
    this.#connection.end(new PagelmError('closed', 'The model was closed; load it again.'));
  }

  #prompt(prompt: unknown): Prompt {
    if (typeof prompt === 'string') return { kind: 'text', text: prompt };
    return { kind: 'tokens', tokens: checkTokens('prompt', prompt, this.info.vocabularySize, 1) };
  }

  #tokens(tokens: unknown, least: number): Uint32Array {
    return checkTokens('tokens', tokens, this.info.vocabularySize, least);
  }

  /** @param check gives what was asked for, or throws what is wrong with it */
  #start(check: () => CheckedGenerateOptions & { prompt: Prompt }): Generation {
    let id: number | undefined;
    let listener: CheckedGenerateOptions['onProgress'];
    const cancel = () => {
      if (id !== undefined) this.#connection.cancel(id);
    };
    const stream = new GenerationStream(cancel, (event) => listener?.(event));
    try {
      const { prompt, sampling, signal, onProgress } = check();
      listener = onProgress;
      if (signal?.aborted) {
        stream.finish({ reason: 'aborted', ...nothingDone() });
      } else {
        id = this.#connection.generate({ type: 'generate', prompt, options: sampling, ...(onProgress && { tellProgress: true }) }, stream);
        if (signal !== undefined) stopWith(signal, stream);
      }
    } catch (error) {
      stream.fail(toPagelmError(error, 'invalid-argument'));
    }
    return stream;
  }
}

function stopWith(signal: AbortSignal, stream: GenerationStream): void {
  const stop = () => stream.stop();
  const release = () => signal.removeEventListener('abort', stop);
  signal.addEventListener('abort', stop, { once: true });
  stream.result().then(release, release);
}

function nothingDone() {
  const usage = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };
  return { usage, timings: { ...usage, promptMs: 0, generateMs: 0, timeToFirstTokenMs: 0 } };
}
