/** The worker's entry: wires the engine, the sources and the session together, or serves as another thread of a worker. */
import { type Gpu, chooseBackend } from './backend.js';
import { Engines } from './engines.js';
import { errorToData } from './errors.js';
import { detectFeatures } from './features.js';
import { ingest } from './ingest.js';
import { inspectSource } from './inspection.js';
import { Progress } from './progress.js';
import type { FromWorker, ToWorker } from './protocol.js';
import { type InspectModel, type LoadModel, Session } from './session.js';
import { openSource } from './source.js';
import { THREAD_NAME, serveAsThread } from './threads.js';

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const post = (message: FromWorker, transfer: Transferable[] = []) => scope.postMessage(message, transfer);

const loadModel: LoadModel = async ({ source, settings }, emit, signal) => {
  const started = performance.now();
  const progress = new Progress(emit);
  const engines = new Engines(settings, detectFeatures(), (error) => post({ type: 'fatal', error: errorToData(error) }));
  const choice = await chooseBackend(settings.backend, navigator.gpu as Gpu | undefined);
  const wasm = await engines.start(choice.backend);
  const stream = await openSource(source, settings.cache, { wasm, progress, signal });
  const ingested = await ingest(wasm, stream, settings, choice, progress, signal, () => engines.start('cpu'));
  const info = { ...ingested.engine.info(), backendReason: ingested.choice.reason, threadsReason: engines.threadsReason };
  return { engine: ingested.engine, result: { info, fromCache: stream.fromCache, loadMs: performance.now() - started } };
};

const inspectModel: InspectModel = async ({ source, settings }, signal) => {
  // threads do not change what a model needs
  const wasm = await new Engines({ backend: 'auto', cache: 'none', threads: 1 }, detectFeatures(), () => {}).start('cpu');
  return inspectSource(wasm, source, settings, navigator.gpu as Gpu | undefined, signal);
};

if (scope.name === THREAD_NAME) {
  serveAsThread(scope);
} else {
  const session = new Session(post, loadModel, inspectModel);
  scope.onmessage = (event: MessageEvent<ToWorker>) => session.receive(event.data);
}
