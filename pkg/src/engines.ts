/** In the worker: the builds of the engine, one of which is fetched and started. */
import { type Build, type BuildChoice, type BuildSettings, chooseBuild, fewerThreads, withoutThreads } from './builds.js';
import type { Backend, Engine, EngineModule, InitEngine } from './engine.js';
import { PagelmError, toPagelmError } from './errors.js';
import type { Features } from './features.js';
import { pickKernels } from './kernels.js';
import type { CompiledModules, SharedEngine, ThreadsStarted } from './protocol.js';
import { tune } from './tuning.js';
import initBaseline, * as baseline from './wasm/pagelm.js';
import initRelaxed, * as relaxed from './wasm/pagelm_relaxed.js';
import initThreads, * as threads from './wasm/pagelm_threads.js';

// Bundlers look for exactly these expressions. The glue of all three comes along, which is little; dynamic imports would
// not go into a worker that is bundled as one script.
const BUILDS: Record<Build, { init: InitEngine; wasm: EngineModule; file: URL }> = {
  baseline: { init: initBaseline, wasm: baseline, file: new URL('./wasm/pagelm_bg.wasm', import.meta.url) },
  relaxed: { init: initRelaxed, wasm: relaxed, file: new URL('./wasm/pagelm_relaxed_bg.wasm', import.meta.url) },
  threads: { init: initThreads, wasm: threads, file: new URL('./wasm/pagelm_threads_bg.wasm', import.meta.url) },
};

/** Has the other threads started; never fails. */
export type StartThreads = (shared: SharedEngine, count: number) => Promise<ThreadsStarted>;

/** What an engine is started with, beside what was asked for. */
export interface EnginesContext {
  features: Features;
  startThreads: StartThreads;
  compiled: CompiledModules;
  /** Hears of a build that was not among those. */
  onCompiled: (address: string, module: WebAssembly.Module) => void;
}

export class Engines {
  readonly #settings: BuildSettings;
  readonly #context: EnginesContext;
  #threadsReason = '';
  /** The threads of the build that was started last, which are starting, or have. */
  #starting: { choice: BuildChoice; started: Promise<ThreadsStarted> } | undefined;

  constructor(settings: BuildSettings, context: EnginesContext) {
    this.#settings = settings;
    this.#context = context;
  }

  /** Of the build that was started last. */
  get threadsReason(): string {
    return this.#threadsReason;
  }

  /**
   * Waits for the other threads, which `engine` has done without so far; it then finds out how many of them are best for
   * single tokens.
   */
  async join(engine: Engine): Promise<void> {
    if (this.#starting === undefined) return;
    const { choice, started } = this.#starting;
    const { threads: count, failure } = await started;
    if (failure !== undefined) {
      this.#threadsReason = fewerThreads(choice, count, failure);
      threads.setThreads(count);
    }
    if (count > 1) tune(engine, count, threads.setRowThreads);
  }

  /** The build for this backend, running. @throws {PagelmError} `unsupported-environment` */
  async start(backend: Backend): Promise<EngineModule> {
    let choice = chooseBuild(backend, this.#settings, this.#context.features);
    if (choice.build === 'threads') {
      try {
        return await this.#startThreaded(choice);
      } catch (error) {
        choice = withoutThreads(choice, error);
      }
    }
    try {
      return await this.#startAlone(choice, backend);
    } catch (error) {
      if (choice.build === 'baseline' || this.#kernels !== 'auto' || toPagelmError(error).code === 'out-of-memory') throw error;
      // relaxed SIMD that is there and computes something else
      return this.#startAlone({ ...choice, build: 'baseline' }, backend);
    }
  }

  async #startAlone(choice: BuildChoice, backend: Backend): Promise<EngineModule> {
    this.#starting = undefined;
    await this.#instantiate(choice);
    const { wasm } = BUILDS[choice.build];
    if (backend === 'cpu') pickKernels(wasm, this.#kernels);
    return wasm;
  }

  get #kernels(): string {
    return this.#settings.kernels ?? 'auto';
  }

  /** The others come when they can: whatever there is to do is done without them until then. */
  async #startThreaded(choice: BuildChoice): Promise<EngineModule> {
    if (this.#starting !== undefined) return threads; // it was asked for before
    const { memory } = await this.#instantiate(choice);
    pickKernels(threads, this.#kernels);
    const started = this.#context.startThreads({ module: threads.compiledModule(), memory }, choice.threads);
    this.#starting = { choice, started };
    threads.setThreads(choice.threads);
    return threads;
  }

  async #instantiate({ build, threadsReason }: BuildChoice): Promise<{ memory: WebAssembly.Memory }> {
    const { init, wasm, file } = BUILDS[build];
    const { compiled, onCompiled } = this.#context;
    this.#threadsReason = threadsReason;
    const known = compiled.get(file.href);
    try {
      if (known !== undefined) {
        try {
          return await init({ module_or_path: known });
        } catch (error) {
          // else the site has been updated under an open page: this worker's script is newer
          if (isOutOfMemory(error)) throw error;
        }
      }
      const started = await init({ module_or_path: file });
      onCompiled(file.href, wasm.compiledModule());
      return started;
    } catch (cause) {
      if (isOutOfMemory(cause)) throw new PagelmError('out-of-memory', `There is no memory for the engine: ${String(cause)}. Close other models or tabs, then try again.`, { cause });
      throw new PagelmError('unsupported-environment', `The engine, ${file.href}, cannot be started: ${String(cause)}. It must be served beside the worker; a content security policy needs script-src 'wasm-unsafe-eval'.`, { cause });
    }
  }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof RangeError && /memory/i.test(error.message);
}
