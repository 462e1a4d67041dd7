/** The worker's entry: wires the engine, the sources and the session together, or serves as another thread of a worker. */
import { type Gpu, chooseAfterLoss, chooseBackend } from './backend.js';
import { type BuildSettings, chooseBuild } from './builds.js';
import type { EngineModule } from './engine.js';
import { Engines, type StartThreads } from './engines.js';
import { detectFeatures } from './features.js';
import { Grammars } from './grammar.js';
import { ingest } from './ingest.js';
import { inspectSource } from './inspection.js';
import type { LoadModel } from './loaded-model.js';
import { Progress } from './progress.js';
import type { CompiledModules, FromWorker, ThreadMessage, ThreadsStarted, ToWorker } from './protocol.js';
import { type Jobs, Session } from './session.js';
import { openSource } from './source.js';
import { answerStore } from './store-calls.js';
import { askForSubgroups } from './subgroups.js';
import { serveAsThread } from './thread.js';
import { Tunings } from './tunings.js';

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const post = (message: FromWorker, transfer: Transferable[] = []) => scope.postMessage(message, transfer);

askForSubgroups();

/** A model whose device is lost finds what was measured before it was, whatever may be kept. */
const tunings = new Tunings();

const loadModel: LoadModel = async ({ source, settings }, emit, signal, losses, instead) => {
  const started = performance.now();
  const progress = new Progress(emit);
  const engines = enginesFor(settings);
  const gpu = navigator.gpu as Gpu | undefined;
  const choice = instead ?? await (losses === 0 ? chooseBackend(settings.backend, gpu) : chooseAfterLoss(settings.backend, gpu, losses));
  // the engine is fetched and compiled while the model's header is
  const chosen = performance.now();
  const starting = engines.start(choice.backend);
  let engineMs = 0;
  starting.then(() => { engineMs = performance.now() - chosen; }, () => {});
  const [wasm, stream] = await Promise.all([starting, openSource(source, settings, { wasm: starting, progress, emit, signal })]);
  const { threads } = chooseBuild('cpu', settings, detectFeatures());
  const calibration = { tunings, threads, isKept: settings.cache !== 'none' };
  const ingested = await ingest(wasm, stream, settings, choice, progress, signal, (backend) => engines.start(backend), calibration);
  await engines.join(ingested.engine);
  const timings = { ...ingested.timings, compileMs: engineMs + ingested.timings.compileMs };
  const info = { ...ingested.engine.info(), backendReason: ingested.choice.reason, threadsReason: engines.threadsReason };
  // the model is ready, whatever the store has to say; but a page may close it at once, which ends this worker
  await stream.describe?.(info).catch(() => {});
  stream.tidy?.().catch(() => {});
  return { engine: ingested.engine, result: { info, fromCache: stream.fromCache, loadMs: performance.now() - started, timings } };
};

const inspectModel: Jobs['inspectModel'] = async ({ source, settings }, signal) =>
  inspectSource(await singleThreaded(), source, settings, navigator.gpu as Gpu | undefined, signal);

const askStore: Jobs['askStore'] = ({ request }, emit, signal) =>
  answerStore(request, { engine: singleThreaded, progress: new Progress(emit), signal });

/** The engine for all but running a model: threads do not change what it needs. */
function singleThreaded(): Promise<EngineModule> {
  return enginesFor({ threads: 1 }).start('cpu');
}

function enginesFor(settings: BuildSettings): Engines {
  const onCompiled = (address: string, module: WebAssembly.Module) => post({ type: 'compiled', address, module });
  return new Engines(settings, { features: detectFeatures(), startThreads, compiled, onCompiled });
}

let compiled: CompiledModules = new Map();

/** Asks the page for the other threads of the engine. */
const startThreads: StartThreads = (shared, count) =>
  new Promise((resolve) => {
    onThreadsStarted = resolve;
    const channels = Array.from({ length: count - 1 }, () => new MessageChannel());
    for (const { port1 } of channels) port1.postMessage(shared);
    const ports = channels.map(({ port2 }) => port2);
    post({ type: 'threads', ports }, ports);
  });
let onThreadsStarted: (started: ThreadsStarted) => void = () => {};

const tellPage = (message: ThreadMessage) => scope.postMessage(message);

const session = new Session(post, { loadModel, inspectModel, askStore, grammars: new Grammars() });
scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === 'stand-by') tellPage({ type: 'up' });
  else if (data.type === 'help') void serveAsThread(data, tellPage);
  else if (data.type === 'compiled') compiled = data.modules;
  else if (data.type === 'threads-started') onThreadsStarted(data);
  else session.receive(data);
};
