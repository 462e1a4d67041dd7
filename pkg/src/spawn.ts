/** On the page: the one place where a worker is started. */
import type { WorkerPort } from './connection.js';
import { PagelmError } from './errors.js';

export function spawnWorker(): WorkerPort {
  if (typeof Worker === 'undefined' || typeof WebAssembly === 'undefined') {
    const missing = typeof Worker === 'undefined' ? 'Worker' : 'WebAssembly';
    throw new PagelmError('unsupported-environment', `${missing} does not exist here; call load() in a browser's page, not on a server or in a service worker.`);
  }
  try {
    // Bundlers look for exactly this expression.
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  } catch (cause) {
    const address = new URL('./worker.js', import.meta.url).href;
    throw new PagelmError('worker-failed', `The worker ${address} cannot be started: ${String(cause)}. Serve pagelm's dist/ folder from the page's own origin.`, { cause });
  }
}
