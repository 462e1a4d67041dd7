/** On the page: looking at a model without loading it. */
import { Connection, type WorkerPort } from './connection.js';
import { PagelmError } from './errors.js';
import { baseAddress, orAborted } from './load.js';
import { checkInspectOptions } from './options.js';
import { describeSource } from './source-data.js';
import { spawnWorker } from './spawn.js';
import type { InspectOptions, Inspection, ModelSource } from './types.js';

/**
 * Tells from a GGUF file's header, which takes one or two requests, what is in it and whether this device can load it.
 *
 * ```js
 * import { inspect } from 'pagelm';
 * const { quantisation, parameters, fits, reason, backends } = await inspect('/models/qwen3-4b-q8_0.gguf');
 * if (!fits) console.log(reason, backends.cpu.maxContextLength);
 * ```
 *
 * @param source as in {@link load}
 * @throws {PagelmError} what `load` throws for a source, for options and for a file that it cannot read at all; that the
 *   model is too large is no error here, but what {@link Inspection.fits} says.
 */
export async function inspect(source: ModelSource, options?: InspectOptions): Promise<Inspection> {
  return inspectIn(spawnWorker, source, options);
}

/** {@link inspect} with the worker that `spawn` gives. */
export async function inspectIn(spawn: () => WorkerPort, source: ModelSource, options?: InspectOptions): Promise<Inspection> {
  const { settings, hub, signal } = checkInspectOptions(options);
  const data = describeSource(source, undefined, baseAddress(), hub);
  signal?.throwIfAborted();
  const connection = new Connection(spawn);
  try {
    const { id, answer } = connection.call<'inspect'>({ type: 'inspect', source: data, settings });
    return await orAborted(signal, connection, id, answer);
  } finally {
    connection.end(new PagelmError('closed', 'The inspection is over.'));
  }
}
