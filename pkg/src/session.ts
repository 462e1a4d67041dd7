/** In the worker: answers the page's messages. There is one model in a worker. */
import type { Engine } from './engine.js';
import { PagelmError, errorToData, toPagelmError } from './errors.js';
import type { GrammarSource } from './grammar.js';
import { type LoadMessage, type LoadModel, LoadedModel, type WithEngine, isTrap } from './loaded-model.js';
import type { CallMessage, Calls, FromWorker, GenerateMessage, LoadResult, RequestMessage, WorkerEvent } from './protocol.js';
import { Queue } from './queue.js';
import { Turn, renderTemplate } from './turn.js';
import type { GpuCounters, Inspection, LoadProgress } from './types.js';

export type StoreMessage = Extract<CallMessage, { type: 'store' }>;
export type InspectMessage = Extract<CallMessage, { type: 'inspect' }>;

/** Looks at a model; `session.ts` does not care how. */
export type InspectModel = (message: InspectMessage, signal: AbortSignal) => Promise<Inspection>;

/** Asks the store of models, which needs no engine. */
export type AskStore = (message: StoreMessage, emit: (event: LoadProgress) => void, signal: AbortSignal) => Promise<Calls['store']['result']>;

/** What a session does besides generating. */
export interface Jobs {
  loadModel: LoadModel;
  inspectModel: InspectModel;
  askStore: AskStore;
  grammars: GrammarSource;
}

export type Post = (message: FromWorker, transfer?: Transferable[]) => void;

export class Session {
  readonly #post: Post;
  readonly #jobs: Jobs;
  #model: LoadedModel | undefined;
  /** What changes the engine's state from one call to the next: generations, logits and scores. */
  readonly #turns = new Queue();
  /** How to stop what has this id. */
  readonly #cancels = new Map<number, () => void>();

  constructor(post: Post, jobs: Jobs) {
    this.#post = post;
    this.#jobs = jobs;
  }

  /** Never throws: what goes wrong is posted. */
  receive(message: RequestMessage): void {
    if (message.type === 'cancel') {
      this.#cancels.get(message.id)?.();
      return;
    }
    const done = message.type === 'generate' ? this.#generate(message) : this.#call(message);
    done.catch((error: unknown) => this.#fail(message.id, error)).finally(() => this.#cancels.delete(message.id));
  }

  async #call(message: CallMessage): Promise<void> {
    const { id } = message;
    const value = await this.#valueOf(message);
    // Copies of numbers are handed over instead of copied again.
    this.#post({ type: 'result', id, value }, ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer ? [value.buffer] : []);
  }

  #valueOf(message: CallMessage): Promise<Calls[keyof Calls]['result']> {
    const { id } = message;
    switch (message.type) {
      case 'load':
        return this.#cancellable(id, (signal) => this.#load(message, signal));
      case 'inspect':
        return this.#cancellable(id, (signal) => this.#jobs.inspectModel(message, signal));
      case 'store':
        return this.#cancellable(id, (signal) => this.#jobs.askStore(message, (event) => this.#post({ type: 'progress', id, event }), signal));
      default:
        return this.#ask(message);
    }
  }

  #ask(message: Exclude<CallMessage, LoadMessage | InspectMessage | StoreMessage>): Promise<Uint32Array | Float32Array | string | GpuCounters | null> {
    switch (message.type) {
      case 'tokenize':
        return this.#withEngine((engine) => owned(engine.tokenize(message.text, message.addSpecial, message.parseSpecial)));
      case 'detokenize':
        return this.#withEngine((engine) => engine.detokenize(message.tokens));
      case 'applyChatTemplate':
        return this.#withEngine((engine) => renderTemplate(engine, message.messages, message.options));
      case 'logits':
        return this.#compute(async (engine) => owned(await engine.logits(message.tokens)));
      case 'score':
        return this.#compute(async (engine) => owned(await engine.score(message.tokens)));
      case 'counters':
        return this.#withEngine((engine) => engine.counters());
    }
  }

  async #load(message: LoadMessage, signal: AbortSignal): Promise<LoadResult> {
    const emit = (event: WorkerEvent) => this.#post({ type: 'progress', id: message.id, event });
    const model = new LoadedModel(message, this.#jobs.loadModel, (event) => this.#post({ type: 'recovery', event }));
    const result = await model.load(emit, signal);
    this.#model = model;
    return result;
  }

  /** Runs `job` with a signal that the page's `cancel` aborts. */
  async #cancellable<T>(id: number, job: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#cancels.set(id, () => controller.abort());
    try {
      return await job(controller.signal);
    } catch (error) {
      throw controller.signal.aborted ? new PagelmError('aborted', 'The page stopped it.', { cause: error }) : error;
    }
  }

  #generate({ id, prompt, options, tellProgress }: GenerateMessage): Promise<void> {
    const turn = new Turn((message) => this.#post({ ...message, id }), tellProgress, this.#jobs.grammars);
    this.#cancels.set(id, () => turn.cancel());
    return this.#inTurn(() => turn.run(this.#withEngine, prompt, options));
  }

  /** What needs the device, and is done once more where that is lost. */
  #compute<T>(job: (engine: Engine) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#withEngine(job, job));
  }

  #inTurn<T>(job: () => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      const value = await job();
      this.#model?.settle();
      return value;
    });
  }

  readonly #withEngine: WithEngine = async (job, afterLoss) => {
    if (this.#model === undefined) throw new PagelmError('internal', 'The worker was asked before a model was loaded.');
    return this.#model.withEngine(job, afterLoss);
  };

  #fail(id: number, error: unknown): void {
    if (isTrap(error)) {
      const message = `The engine stopped (${error.message}), which is mostly for lack of memory`;
      this.#post({ type: 'fatal', error: errorToData(new PagelmError('internal', message, { cause: error })) });
    } else {
      this.#post({ type: 'error', id, error: errorToData(toPagelmError(error)) });
    }
  }
}

/** `numbers`, in a buffer of their own that can be handed over; one that is larger is the engine's memory. */
function owned<T extends Uint32Array | Float32Array>(numbers: T): T {
  return numbers.byteLength === numbers.buffer.byteLength ? numbers : (numbers.slice() as T);
}
