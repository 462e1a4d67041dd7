/**
 * On the page: the other threads of the engine, workers that run the same script on the same memory. The page starts them and
 * not the engine's worker, since Firefox now and then never returns from `new Worker()` inside a worker.
 */
import type { WorkerPort } from './connection.js';
import { PagelmError } from './errors.js';
import type { ThreadMessage, ThreadsMessage, ThreadsStarted } from './protocol.js';

/** How long they may take to start, in milliseconds; a busy device needs some hundreds. */
const START_MS = 20_000;

export class Threads {
  readonly #spawn: () => WorkerPort;
  readonly #onLost: (error: PagelmError) => void;
  #workers: WorkerPort[] = [];
  /** Those that no worker has yet. What waits in them goes when they are closed. */
  readonly #ports = new Set<MessagePort>();

  /** @param onLost hears when one ends after all have started */
  constructor(spawn: () => WorkerPort, onLost: (error: PagelmError) => void) {
    this.#spawn = spawn;
    this.#onLost = onLost;
  }

  /** Starts all but the first, which is the engine's worker; one that does not start is done without. */
  async start({ ports }: ThreadsMessage): Promise<ThreadsStarted> {
    this.end();
    const starting = ports.map((port) => this.#startOne(port));
    const failures = (await Promise.allSettled(starting)).flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []));
    return { threads: 1 + ports.length - failures.length, ...(failures[0] !== undefined && { failure: failures[0].message }) };
  }

  /** Ends them, whatever they are doing. */
  end(): void {
    for (const worker of this.#workers.splice(0)) worker.terminate();
    for (const port of this.#ports) port.close();
    this.#ports.clear();
  }

  /** Resolves when it is about to help; what happens to it then is a loss. */
  #startOne(port: MessagePort): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = this.#spawn();
      this.#workers.push(worker);
      this.#ports.add(port);
      let hasStarted = false;
      // One that is late is left alone: it may help by now, and must not be ended in the middle of that.
      const timer = setTimeout(() => reject(new Error(`no answer within ${START_MS} ms`)), START_MS);
      const fail = (message: string) => {
        if (hasStarted) {
          if (this.#workers.includes(worker)) this.#onLost(new PagelmError('worker-failed', `A thread ended: ${message}`));
          return;
        }
        clearTimeout(timer);
        worker.terminate();
        port.close();
        this.#ports.delete(port);
        reject(new Error(message));
      };
      worker.addEventListener('message', (event) => {
        const answer = (event as MessageEvent<ThreadMessage>).data;
        if (answer.type === 'failed') return fail(answer.message);
        if (answer.type === 'up') {
          // Not before: Chromium keeps what was sent to a worker without a script, also after its end.
          if (this.#ports.delete(port)) worker.postMessage({ type: 'help', port }, [port]);
          return;
        }
        hasStarted = true;
        clearTimeout(timer);
        resolve();
      });
      worker.addEventListener('error', (event) => {
        event.preventDefault();
        fail((event as ErrorEvent).message || 'its script is missing or forbidden');
      });
      worker.postMessage({ type: 'stand-by' });
    });
  }
}
