/** In the worker: the model that is loaded. It outlives the GPU device that it is on. */
import { type BackendChoice, Instead } from './backend.js';
import type { Engine } from './engine.js';
import { PagelmError, toPagelmError } from './errors.js';
import type { CallMessage, LoadResult, RecoveryEvent, WorkerEvent } from './protocol.js';
import { Queue } from './queue.js';
import type { ModelInfo } from './types.js';

export type LoadMessage = Extract<CallMessage, { type: 'load' }>;

/** Gets a model, after so many devices were lost under it, on `instead` if that is given; `session.ts` does not care how. */
export type LoadModel = (
  message: LoadMessage, emit: (event: WorkerEvent) => void, signal: AbortSignal, losses: number, instead?: BackendChoice,
) => Promise<{ engine: Engine; result: LoadResult }>;

type EngineJob<T> = (engine: Engine) => T | Promise<T>;

/**
 * Runs `job` with the engine when no other call is running in it. If that finds the GPU device gone, the model is loaded again;
 * then `afterLoss` takes the place of `job`, or without one the loss is its failure.
 */
export type WithEngine = <T>(job: EngineJob<T>, afterLoss?: EngineJob<T>) => Promise<T>;

/** What a file says of its model: if it changes, it is another model. */
const IDENTITY = ['architecture', 'name', 'parameters', 'quantisation', 'vocabularySize', 'contextLength', 'bytes'] as const satisfies readonly (keyof ModelInfo)[];

export class LoadedModel {
  readonly #message: LoadMessage;
  readonly #loadModel: LoadModel;
  readonly #tell: (event: RecoveryEvent) => void;
  /** The engine's methods must not overlap. */
  readonly #calls = new Queue();
  /** Undefined from the loss of its device until it is loaded again, which a failure leaves to the next call. */
  #engine: Engine | undefined;
  #info: ModelInfo | undefined;
  /** Devices lost since something came to its end. */
  #losses = 0;

  /** @param tell hears of losses, and what becomes of them */
  constructor(message: LoadMessage, loadModel: LoadModel, tell: (event: RecoveryEvent) => void) {
    this.#message = message;
    this.#loadModel = loadModel;
    this.#tell = tell;
  }

  async load(emit: (event: WorkerEvent) => void, signal: AbortSignal): Promise<LoadResult> {
    const { engine, result } = await this.#load(emit, signal);
    this.#engine = engine;
    this.#info = result.info;
    return result;
  }

  async #load(emit: (event: WorkerEvent) => void, signal: AbortSignal): ReturnType<LoadModel> {
    for (let instead: BackendChoice | undefined; ; ) {
      try {
        return await this.#loadModel(this.#message, emit, signal, this.#losses, instead);
      } catch (error) {
        if (error instanceof Instead) {
          instead = error.choice;
          continue;
        }
        // whoever wants WebGPU and nothing else decides alone how often it is tried
        const mayTryAgain = this.#info !== undefined || this.#message.settings.backend === 'auto';
        if (!isDeviceGone(error) || !mayTryAgain) throw error;
        this.#losses += 1;
      }
    }
  }

  readonly withEngine: WithEngine = (job, afterLoss) =>
    this.#calls.run(async () => {
      for (let next = job; ; ) {
        const engine = this.#engine ?? (await this.#recover());
        try {
          return await next(engine);
        } catch (error) {
          if (!isDeviceGone(error)) throw error;
          this.#lose(engine, error);
          if (afterLoss === undefined) throw error;
          next = afterLoss;
        }
      }
    });

  /** A generation, or a call, has come to its end: the device can be trusted again. */
  settle(): void {
    this.#losses = 0;
  }

  #lose(engine: Engine, error: unknown): void {
    this.#losses += 1;
    this.#engine = undefined;
    engine.free();
    this.#tell({ type: 'lost', reason: toPagelmError(error).message });
  }

  /** @throws {PagelmError} `device-lost`, with what was in the way as its cause */
  async #recover(): Promise<Engine> {
    const started = performance.now();
    const before = this.#info;
    try {
      const { engine, result: { info } } = await this.#load(this.#tell, new AbortController().signal);
      const changed = IDENTITY.find((key) => info[key] !== before?.[key]);
      if (changed !== undefined) {
        engine.free();
        throw new PagelmError('invalid-model', `its source has another model now, with ${changed} ${info[changed]} instead of ${before?.[changed]}`);
      }
      this.#engine = engine;
      this.#info = info;
      this.#tell({ type: 'recovered', info, recoverMs: performance.now() - started });
      return engine;
    } catch (cause) {
      if (isTrap(cause)) throw cause;
      const { code, message } = toPagelmError(cause);
      throw new PagelmError('device-lost', `The GPU device was lost, and the model cannot be loaded again (${code}: ${message.replace(/\.$/, '')}). The next call tries again.`, { cause });
    }
  }
}

/**
 * Whether the engine's device is beyond use, by the engine's own error: what {@link LoadedModel} throws is the end of its attempts.
 * Firefox refuses commands before it tells that a device is lost, and nothing comes of a device that refuses the engine's commands.
 */
function isDeviceGone(error: unknown): boolean {
  return !PagelmError.isInstance(error) && ['device-lost', 'gpu-failure'].includes(toPagelmError(error).code);
}

/**
 * Whether the engine was left in the middle of something: a trap, or a stack overflow, which browsers report as a
 * `RangeError` or an `InternalError`. Its memory is then in no known state, and nothing may be asked of it again.
 */
export function isTrap(error: unknown): error is Error {
  if (error instanceof WebAssembly.RuntimeError) return true;
  return error instanceof Error && !('code' in error) && ['RangeError', 'InternalError'].includes(error.name);
}
