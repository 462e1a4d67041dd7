/** The worker's entry: wires the engine, the sources and the session together, or serves as another thread of a worker. */
import { type Gpu, chooseBackend } from './backend.js';
import type { EngineModule } from './engine.js';
import { Engines } from './engines.js';
import { errorToData } from './errors.js';
import { detectFeatures } from './features.js';
import { ingest } from './ingest.js';
import { inspectSource } from './inspection.js';
import { Progress } from './progress.js';
import type { FromWorker, ToWorker } from './protocol.js';
import { type Jobs, Session } from './session.js';
import { openSource } from './source.js';
import { answerStore } from './store-calls.js';
import { THREAD_NAME, serveAsThread } from './threads.js';

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const post = (message: FromWorker, transfer: Transferable[] = []) => scope.postMessage(message, transfer);

const loadModel: Jobs['loadModel'] = async ({ source, settings }, emit, signal) => {
  const started = performance.now();
  const progress = new Progress(emit);
  const engines = new Engines(settings, detectFeatures(), (error) => post({ type: 'fatal', error: errorToData(error) }));
  const choice = await chooseBackend(settings.backend, navigator.gpu as Gpu | undefined);
  const wasm = await engines.start(choice.backend);
  const stream = await openSource(source, settings, { wasm, progress, emit, signal });
  const ingested = await ingest(wasm, stream, settings, choice, progress, signal, (backend) => engines.start(backend));
  const info = { ...ingested.engine.info(), backendReason: ingested.choice.reason, threadsReason: engines.threadsReason };
  stream.describe?.(info).catch(() => {}); // the model is ready, whatever the store has to say
  return { engine: ingested.engine, result: { info, fromCache: stream.fromCache, loadMs: performance.now() - started } };
};

const inspectModel: Jobs['inspectModel'] = async ({ source, settings }, signal) =>
  inspectSource(await singleThreaded(), source, settings, navigator.gpu as Gpu | undefined, signal);

const askStore: Jobs['askStore'] = ({ request }, emit, signal) =>
  answerStore(request, { engine: singleThreaded, progress: new Progress(emit), signal });

/** The engine for all but running a model: threads do not change what it needs. */
function singleThreaded(): Promise<EngineModule> {
  return new Engines({ threads: 1 }, detectFeatures(), () => {}).start('cpu');
}

if (scope.name === THREAD_NAME) {
  serveAsThread(scope);
} else {
  const session = new Session(post, { loadModel, inspectModel, askStore });
  scope.onmessage = (event: MessageEvent<ToWorker>) => session.receive(event.data);
}
