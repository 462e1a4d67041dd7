/** On the page: the calls that wait for the worker's answer. */
import { type ErrorCode, PagelmError, errorFromData } from './errors.js';
import type { CallMessage, Calls, FromWorker, GenerateMessage, RecoveryEvent, ThreadsMessage, ToWorker, WorkerEvent } from './protocol.js';
import type { GenerationStream } from './stream.js';
import { Threads } from './threads.js';

/** What a connection needs of a `Worker`. */
export interface WorkerPort {
  postMessage(message: ToWorker, transfer?: Transferable[]): void;
  addEventListener(type: 'message' | 'messageerror' | 'error', listener: (event: Event) => void): void;
  terminate(): void;
}

interface PendingCall {
  resolve(value: Calls[keyof Calls]['result']): void;
  reject(error: PagelmError): void;
  progress: ((event: WorkerEvent) => void) | undefined;
}

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;

/** What workers of this page have compiled, which takes them longer than all else: those after them start with it. */
const compiled = new Map<string, WebAssembly.Module>();

/** One worker. When it ends, for whatever reason, every pending call and generation fails with that reason. */
export class Connection {
  readonly #worker: WorkerPort;
  readonly #threads: Threads;
  readonly #calls = new Map<number, PendingCall>();
  readonly #generations = new Map<number, GenerationStream>();
  #nextId = 1;
  #ended: PagelmError | undefined;
  /** Hears what becomes of a loaded model whose device was lost. */
  onRecovery: (event: RecoveryEvent) => void = () => {};

  /** @param spawn gives workers: one now, others when it asks for threads */
  constructor(spawn: () => WorkerPort) {
    const worker = spawn();
    this.#worker = worker;
    this.#threads = new Threads(spawn, (error) => this.end(workerFailed(error.message, error)));
    worker.addEventListener('message', (event) => this.#receive((event as MessageEvent<FromWorker>).data));
    worker.addEventListener('messageerror', () => this.end(workerFailed('a message could not be read')));
    worker.addEventListener('error', (event) => {
      event.preventDefault(); // it is reported through the rejected calls
      this.end(workerFailed((event as ErrorEvent).message || 'no details; its script may be missing or forbidden'));
    });
    if (compiled.size > 0) worker.postMessage({ type: 'compiled', modules: compiled });
  }

  /** Sends a call; `progress` hears of a load's. */
  call<T extends keyof Calls>(
    message: Unnumbered<Extract<CallMessage, { type: T }>>,
    progress?: (event: WorkerEvent) => void,
  ): { id: number; answer: Promise<Calls[T]['result']> } {
    const id = this.#nextId++;
    const answer = new Promise<Calls[keyof Calls]['result']>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#calls.set(id, { resolve, reject, progress });
      this.#worker.postMessage({ ...message, id } as CallMessage);
    });
    return { id, answer: answer as Promise<Calls[T]['result']> };
  }

  /** Sends a generation, whose messages go to `stream`. */
  generate(message: Unnumbered<GenerateMessage>, stream: GenerationStream): number {
    const id = this.#nextId++;
    if (this.#ended !== undefined) {
      stream.fail(this.#ended);
    } else {
      this.#generations.set(id, stream);
      this.#worker.postMessage({ ...message, id });
    }
    return id;
  }

  cancel(id: number): void {
    if (this.#ended === undefined) this.#worker.postMessage({ type: 'cancel', id });
  }

  /** Ends the worker; whatever is pending fails with `error`, as do later calls. Only the first time counts. */
  end(error: PagelmError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#worker.terminate();
    this.#threads.end();
    for (const { reject } of this.#calls.values()) reject(error);
    for (const stream of this.#generations.values()) stream.fail(error);
    this.#calls.clear();
    this.#generations.clear();
  }

  #receive(message: FromWorker): void {
    if (this.#ended !== undefined) return;
    switch (message.type) {
      case 'result':
        this.#takeCall(message.id)?.resolve(message.value);
        break;
      case 'error': {
        const error = errorFromData(message.error);
        this.#takeCall(message.id)?.reject(error);
        this.#takeGeneration(message.id)?.fail(error);
        break;
      }
      case 'progress':
        this.#calls.get(message.id)?.progress?.(message.event);
        break;
      case 'recovery':
        this.onRecovery(message.event);
        break;
      case 'prompt':
        this.#generations.get(message.id)?.progress(message);
        break;
      case 'delta':
        this.#generations.get(message.id)?.delta(message);
        break;
      case 'finish':
        this.#takeGeneration(message.id)?.finish(message);
        break;
      case 'threads':
        void this.#startThreads(message);
        break;
      case 'compiled':
        compiled.set(message.address, message.module);
        break;
      case 'fatal':
        this.end(workerFailed(message.error.message, errorFromData(message.error)));
        break;
    }
  }

  async #startThreads(message: ThreadsMessage): Promise<void> {
    const started = await this.#threads.start(message);
    if (this.#ended === undefined) this.#worker.postMessage({ type: 'threads-started', ...started });
    else this.#threads.end();
  }

  #takeCall(id: number): PendingCall | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }

  #takeGeneration(id: number): GenerationStream | undefined {
    const stream = this.#generations.get(id);
    this.#generations.delete(id);
    return stream;
  }
}

function workerFailed(detail: string, cause?: PagelmError): PagelmError {
  const code: ErrorCode = 'worker-failed';
  const advice = 'Check that the folder dist/ of pagelm is served from the page\'s own origin and that the content security policy allows it; if it was running, load the model again.';
  return new PagelmError(code, `The worker failed: ${detail}. ${advice}`, { cause });
}
