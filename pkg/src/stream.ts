/** On the page: the parts of one generation, buffered until someone reads them. */
import { PagelmError } from './errors.js';
import type { DeltaMessage, FinishMessage, PromptMessage } from './protocol.js';
import type { Finish, Generation, Part, PromptProgress, ReasoningDelta, Result, TextDelta, TokenLogprob, ToolCall } from './types.js';

interface Reader {
  resolve(result: IteratorResult<Part, undefined>): void;
  reject(error: PagelmError): void;
}

const DONE: IteratorResult<Part, undefined> = Object.freeze({ done: true, value: undefined });

/** A {@link Generation} that is fed with the worker's messages. */
export class GenerationStream implements Generation {
  readonly #parts: Part[] = [];
  readonly #readers: Reader[] = [];
  readonly #result: Promise<Result>;
  #settle!: { resolve(result: Result): void; reject(error: PagelmError): void };
  #cancel: () => void;
  readonly #onProgress: ((event: PromptProgress) => void) | undefined;
  #reasoning = '';
  #text = '';
  readonly #tokens: number[] = [];
  readonly #calls: ToolCall[] = [];
  readonly #logprobs: TokenLogprob[] = [];
  /** How many of `#logprobs` have left with a part. */
  #reported = 0;
  #wantsLogprobs = false;
  #iterated = false;
  /** The loop was left: nothing more is buffered. */
  #left = false;
  #ended: { error?: PagelmError } | undefined;

  /** @param cancel asks for the generation's end, which then arrives as a `finish`; called at most once */
  constructor(cancel: () => void, onProgress?: (event: PromptProgress) => void) {
    this.#cancel = cancel;
    this.#onProgress = onProgress;
    this.#result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // A failed generation that nobody reads must not become an unhandled rejection; readers still get theirs.
    this.#result.catch(() => {});
  }

  async text(): Promise<string> {
    return (await this.#result).text;
  }

  result(): Promise<Result> {
    return this.#result;
  }

  /** @throws {PagelmError} `invalid-argument` the second time: the parts are handed out once */
  [Symbol.asyncIterator](): AsyncIterator<Part, undefined> {
    if (this.#iterated) {
      throw new PagelmError('invalid-argument', 'This generation was iterated already; keep its parts, or use result().');
    }
    this.#iterated = true;
    return {
      next: () => this.#next(),
      return: () => {
        this.#leave();
        return Promise.resolve(DONE);
      },
    };
  }

  /** Ends the generation as soon as the worker can. */
  stop(): void {
    if (this.#ended !== undefined) return;
    const cancel = this.#cancel;
    this.#cancel = () => {};
    cancel();
  }

  /** Takes how far the prompt is. */
  progress({ type, loaded, total }: PromptMessage): void {
    if (this.#ended === undefined) this.#onProgress?.({ type, loaded, total });
  }

  /** Takes a token. */
  delta(message: DeltaMessage): void {
    if (this.#ended !== undefined) return;
    this.#tokens.push(...message.tokens);
    if (message.logprobs !== undefined) {
      this.#wantsLogprobs = true;
      this.#logprobs.push(...message.logprobs);
    }
    this.#reasoning += message.reasoning;
    this.#text += message.text;
    this.#part('reasoning-delta', message.reasoning);
    this.#part('text-delta', message.text);
    for (const call of message.calls ?? []) {
      this.#calls.push(call);
      this.#deliver(call);
    }
  }

  /** Hands out a piece, if there is one, with the log-probabilities since the one before. */
  #part(type: 'text-delta' | 'reasoning-delta', text: string): void {
    if (text === '') return;
    const part: TextDelta | ReasoningDelta = { type, text };
    if (this.#wantsLogprobs) {
      part.logprobs = this.#logprobs.slice(this.#reported);
      this.#reported = this.#logprobs.length;
    }
    this.#deliver(part);
  }

  /** Takes the end. */
  finish({ reason, usage, timings }: Omit<FinishMessage, 'type' | 'id'>): void {
    if (this.#ended !== undefined) return;
    const part: Finish = { type: 'finish', reason, usage, timings };
    this.#deliver(part);
    this.#ended = {};
    this.#endReaders();
    const result: Result = { text: this.#text, tokens: this.#tokens, reason, usage, timings };
    if (this.#reasoning !== '') result.reasoning = this.#reasoning;
    if (this.#calls.length > 0) result.toolCalls = this.#calls;
    if (this.#wantsLogprobs) result.logprobs = this.#logprobs;
    this.#settle.resolve(result);
  }

  /** Takes a failure; parts that are buffered already can still be read before it. */
  fail(error: PagelmError): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    this.#endReaders();
    this.#settle.reject(error);
  }

  #next(): Promise<IteratorResult<Part, undefined>> {
    const part = this.#parts.shift();
    if (part !== undefined) return Promise.resolve({ done: false, value: part });
    if (this.#left) return Promise.resolve(DONE);
    if (this.#ended !== undefined) return this.#end(this.#ended);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** The error once, then the end, as a generator would. */
  #end(ended: { error?: PagelmError }): Promise<IteratorResult<Part, undefined>> {
    const { error } = ended;
    if (error === undefined) return Promise.resolve(DONE);
    this.#left = true;
    return Promise.reject(error);
  }

  #deliver(part: Part): void {
    if (this.#left) return;
    const reader = this.#readers.shift();
    if (reader === undefined) this.#parts.push(part);
    else reader.resolve({ done: false, value: part });
  }

  #leave(): void {
    this.#left = true;
    this.#parts.length = 0;
    for (const reader of this.#readers.splice(0)) reader.resolve(DONE);
    this.stop();
  }

  #endReaders(): void {
    for (const reader of this.#readers.splice(0)) this.#end(this.#ended ?? {}).then(reader.resolve, reader.reject);
  }
}
