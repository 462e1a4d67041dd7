/** In the worker: what the header of a file says. */
import { type BackendChoice, type Gpu, chooseBackend } from './backend.js';
import type { OpenFile } from './byte-stream.js';
import type { EngineInspection, EngineModule } from './engine.js';
import { PagelmError, toPagelmError } from './errors.js';
import { fitting } from './fit.js';
import { openHeads } from './head.js';
import { addParts } from './parts.js';
import type { InspectSettings, SourceData } from './protocol.js';
import type { Inspection } from './types.js';

export async function inspectSource(
  wasm: Pick<EngineModule, 'Inspector'>, source: SourceData, settings: InspectSettings, gpu: Gpu | undefined, signal: AbortSignal,
): Promise<Inspection> {
  const [choice, files] = await Promise.all([chooseBackend('auto', gpu), openHeads(source, signal)]);
  try {
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    return { ...verdict(choice, await report(wasm, files, settings, choice)), storage: await storage(bytes) };
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

async function report(
  wasm: Pick<EngineModule, 'Inspector'>, [first, ...later]: readonly OpenFile[], settings: InspectSettings, { adapter }: BackendChoice,
): Promise<EngineInspection> {
  if (first === undefined) throw new PagelmError('internal', 'A model without files was to be inspected.');
  const inspector = new wasm.Inspector({ fileBytes: first.bytes, ...settings });
  try {
    await addParts(inspector, later);
    for await (const piece of first.pieces()) {
      if (inspector.push(piece)) return inspector.report(adapter);
    }
    throw new PagelmError('invalid-gguf', `The file of ${first.bytes} bytes ended before its header was complete.`);
  } finally {
    inspector.free();
  }
}

/** With what `load` would do when the backend is left to it. */
function verdict(choice: BackendChoice, report: EngineInspection): Omit<Inspection, 'storage'> {
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
