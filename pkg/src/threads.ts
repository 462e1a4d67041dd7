/**
 * The other threads of the engine: workers that run the same script, each with an instance of the same module on the same
 * memory. They wait for work inside WebAssembly and never look at their messages again; they end with the worker that
 * started them.
 */
import { PagelmError } from './errors.js';
import init, * as wasm from './wasm/pagelm_threads.js';

/** By its name a worker knows that it is one of these. */
export const THREAD_NAME = 'pagelm-thread';

/** How long they may take to start, in milliseconds; a busy device needs some hundreds. */
const START_MS = 20_000;

interface Start {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

type Answer = { type: 'ready' } | { type: 'failed'; message: string };

export interface Threads {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** With the one that starts them. */
  count: number;
  /** Hears of the first one that ends after all have started. */
  onLost(error: PagelmError): void;
}

/** Starts all but the first. @throws {PagelmError} `worker-failed` when one of them does not start; then none is left */
export async function startThreads({ module, memory, count, onLost }: Threads): Promise<void> {
  const workers: Worker[] = [];
  let lost: (message: string) => void;
  try {
    const ready = Array.from({ length: count - 1 }, () => new Promise<void>((resolve, reject) => {
      const worker = new Worker(globalThis.location.href, { type: 'module', name: THREAD_NAME });
      workers.push(worker);
      const fail = (message: string) => (lost ?? reject)(message);
      worker.onmessage = ({ data }: MessageEvent<Answer>) => (data.type === 'ready' ? resolve() : fail(data.message));
      worker.onerror = (event) => {
        event.preventDefault();
        fail(event.message || 'its script is missing or forbidden');
      };
      worker.postMessage({ module, memory } satisfies Start);
    }));
    await orLate(Promise.all(ready));
  } catch (cause) {
    for (const worker of workers) worker.terminate();
    throw new PagelmError('worker-failed', `a thread did not start (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  lost = (message) => onLost(new PagelmError('worker-failed', `A thread ended: ${message}`));
}

async function orLate(ready: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${START_MS} ms`)), START_MS);
  });
  await Promise.race([ready, late]).finally(() => clearTimeout(timer));
}

/** What this worker does when it is one of them. */
export function serveAsThread(scope: DedicatedWorkerGlobalScope): void {
  const answer = (message: Answer) => scope.postMessage(message);
  scope.onmessage = async ({ data: { module, memory } }: MessageEvent<Start>) => {
    try {
      await init({ module_or_path: module, memory });
      answer({ type: 'ready' });
      wasm.help();
    } catch (error) {
      wasm.helpFailed();
      answer({ type: 'failed', message: String(error) });
    }
  };
}
