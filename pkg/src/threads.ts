/**
 * On the page: the other threads of the engine, workers that run the same script on the same memory. The page starts them and
 * not the engine's worker, since Firefox now and then never returns from `new Worker()` inside a worker.
 */
import type { WorkerPort } from './connection.js';
import { PagelmError } from './errors.js';
import type { HelpMessage, ThreadMessage, ThreadsMessage } from './protocol.js';

/** How long they may take to start, in milliseconds; a busy device needs some hundreds. */
const START_MS = 20_000;

export class Threads {
  readonly #spawn: () => WorkerPort;
  readonly #onLost: (error: PagelmError) => void;
  #workers: WorkerPort[] = [];

  /** @param onLost hears when one ends after all have started */
  constructor(spawn: () => WorkerPort, onLost: (error: PagelmError) => void) {
    this.#spawn = spawn;
    this.#onLost = onLost;
  }

  /** Starts all but the first, which is the engine's worker. @throws {PagelmError} `worker-failed` when one does not start; then none is left */
  async start({ module, memory, count }: ThreadsMessage): Promise<void> {
    this.end();
    try {
      const starting = Array.from({ length: count - 1 }, () => this.#startOne({ type: 'help', module, memory }));
      await orLate(Promise.all(starting));
    } catch (cause) {
      this.end();
      throw new PagelmError('worker-failed', `a thread did not start (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
    }
  }

  /** Ends them, whatever they are doing. */
  end(): void {
    for (const worker of this.#workers.splice(0)) worker.terminate();
  }

  /** Resolves when it is about to help; what happens to it then is a loss. */
  #startOne(start: HelpMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = this.#spawn();
      this.#workers.push(worker);
      let hasStarted = false;
      const fail = (message: string) => {
        if (!hasStarted) return reject(new Error(message));
        if (this.#workers.includes(worker)) this.#onLost(new PagelmError('worker-failed', `A thread ended: ${message}`));
      };
      worker.addEventListener('message', (event) => {
        const answer = (event as MessageEvent<ThreadMessage>).data;
        if (answer.type === 'failed') return fail(answer.message);
        hasStarted = true;
        resolve();
      });
      worker.addEventListener('error', (event) => {
        event.preventDefault();
        fail((event as ErrorEvent).message || 'its script is missing or forbidden');
      });
      worker.postMessage(start);
    });
  }
}

async function orLate(ready: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${START_MS} ms`)), START_MS);
  });
  await Promise.race([ready, late]).finally(() => clearTimeout(timer));
}
