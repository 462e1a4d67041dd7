/** In the worker: what the header of a file says. */
import { type Gpu, chooseBackend } from './backend.js';
import type { EngineInspection, EngineModule } from './engine.js';
import { PagelmError, toPagelmError } from './errors.js';
import { fitting } from './fit.js';
import { openHead } from './head.js';
import type { InspectSettings, SourceData } from './protocol.js';
import type { Inspection } from './types.js';

export async function inspectSource(
  wasm: Pick<EngineModule, 'Inspector'>, source: SourceData, settings: InspectSettings, gpu: Gpu | undefined, signal: AbortSignal,
): Promise<Inspection> {
  const [choice, head] = await Promise.all([chooseBackend('auto', gpu), openHead(source, signal)]);
  const inspector = new wasm.Inspector({ fileBytes: head.total, ...settings });
  try {
    for await (const piece of head.pieces) {
      if (inspector.push(piece)) return { ...verdict(choice, inspector.report(choice.adapter)), storage: await storage(head.total) };
    }
    throw new PagelmError('invalid-gguf', `The file of ${head.total} bytes ended before its header was complete.`);
  } finally {
    inspector.free();
  }
}

/** With what `load` would do when the backend is left to it. */
function verdict(choice: Awaited<ReturnType<typeof chooseBackend>>, report: EngineInspection): Omit<Inspection, 'storage'> {
  try {
    const { backend, reason } = fitting(choice, report.backends);
    return { ...report, fits: true, backend, reason };
  } catch (error) {
    return { ...report, fits: false, backend: null, reason: toPagelmError(error).message };
  }
}

/** Room for the file in the origin private file system. */
async function storage(needs: number): Promise<Inspection['storage']> {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    if (quota === undefined || usage === undefined) throw new Error('no estimate');
    const have = Math.max(0, quota - usage);
    return { needs, have, fits: needs <= have };
  } catch {
    return { needs, have: null, fits: null };
  }
}
