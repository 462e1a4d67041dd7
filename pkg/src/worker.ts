/** The worker's entry: wires the engine, the sources and the session together. */
import { type Gpu, chooseBackend } from './backend.js';
import { PagelmError } from './errors.js';
import { ingest } from './ingest.js';
import { Progress } from './progress.js';
import type { FromWorker, ToWorker } from './protocol.js';
import { type AskStore, type LoadModel, Session } from './session.js';
import { openSource } from './source.js';
import { answerStore } from './store-calls.js';
import init, * as wasm from './wasm/pagelm.js';

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

const loadModel: LoadModel = async ({ source, settings }, emit, signal) => {
  const started = performance.now();
  const progress = new Progress(emit);
  const [choice] = await Promise.all([chooseBackend(settings.backend, navigator.gpu as Gpu | undefined), startEngine()]);
  const stream = await openSource(source, settings, { wasm, progress, emit, signal });
  const ingested = await ingest(wasm, stream, settings, choice, progress, signal);
  const info = { ...ingested.engine.info(), backendReason: ingested.choice.reason };
  await stream.describe?.(info);
  return { engine: ingested.engine, result: { info, fromCache: stream.fromCache, loadMs: performance.now() - started } };
};

const askStore: AskStore = ({ request }, emit, signal) => {
  const engine = async () => {
    await startEngine();
    return wasm;
  };
  return answerStore(request, { engine, progress: new Progress(emit), signal });
};

async function startEngine(): Promise<void> {
  try {
    await init();
  } catch (cause) {
    throw new PagelmError('unsupported-environment', `The engine, wasm/pagelm_bg.wasm, cannot be started: ${String(cause)}. It must be served beside the worker; a content security policy needs script-src 'wasm-unsafe-eval'; the browser needs WebAssembly SIMD.`, { cause });
  }
}

const session = new Session((message: FromWorker, transfer: Transferable[] = []) => scope.postMessage(message, transfer), loadModel, askStore);
scope.onmessage = (event: MessageEvent<ToWorker>) => session.receive(event.data);
