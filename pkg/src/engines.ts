/** In the worker: the builds of the engine, one of which is fetched and started. */
import { type Build, type BuildChoice, type BuildSettings, chooseBuild, withoutThreads } from './builds.js';
import type { Backend, EngineModule, InitEngine } from './engine.js';
import { PagelmError } from './errors.js';
import type { Features } from './features.js';
import { startThreads } from './threads.js';
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

export class Engines {
  readonly #settings: BuildSettings;
  readonly #features: Features;
  readonly #onLost: (error: PagelmError) => void;
  #threadsReason = '';

  /** @param onLost hears of a thread that ended */
  constructor(settings: BuildSettings, features: Features, onLost: (error: PagelmError) => void) {
    this.#settings = settings;
    this.#features = features;
    this.#onLost = onLost;
  }

  /** Of the build that was started last. */
  get threadsReason(): string {
    return this.#threadsReason;
  }

  /** The build for this backend, running. @throws {PagelmError} `unsupported-environment` */
  async start(backend: Backend): Promise<EngineModule> {
    let choice = chooseBuild(backend, this.#settings, this.#features);
    if (choice.build === 'threads') {
      try {
        return await this.#startThreaded(choice);
      } catch (error) {
        choice = withoutThreads(choice, error);
      }
    }
    await this.#instantiate(choice);
    return BUILDS[choice.build].wasm;
  }

  async #startThreaded(choice: BuildChoice): Promise<EngineModule> {
    const { memory } = await this.#instantiate(choice);
    await startThreads({ module: threads.compiledModule(), memory, count: choice.threads, onLost: this.#onLost });
    threads.setThreads(choice.threads);
    return threads;
  }

  async #instantiate({ build, threadsReason }: BuildChoice): Promise<{ memory: WebAssembly.Memory }> {
    const { init, file } = BUILDS[build];
    this.#threadsReason = threadsReason;
    try {
      return await init({ module_or_path: file });
    } catch (cause) {
      throw new PagelmError('unsupported-environment', `The engine, ${file.href}, cannot be started: ${String(cause)}. It must be served beside the worker; a content security policy needs script-src 'wasm-unsafe-eval'.`, { cause });
    }
  }
}
