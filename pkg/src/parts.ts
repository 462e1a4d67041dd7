/** In the worker: the later files of a split model. */
import type { OpenFile } from './byte-stream.js';
import type { Loader } from './engine.js';

/** How much of a later file is first looked at for its header; most have less than a tenth of it. */
export const PART_HEAD_BYTES = 256 * 1024;

/** Shows `target` their headers, before the first byte of the first file. */
export async function addParts(target: Pick<Loader, 'addPart'>, later: readonly OpenFile[]): Promise<void> {
  for (const file of later) {
    let wanted = PART_HEAD_BYTES;
    for (;;) {
      const needed = target.addPart(await file.head(wanted), file.bytes);
      if (needed === 0) break;
      // at least doubling keeps the work linear
      wanted = Math.max(needed, 2 * wanted);
    }
  }
}
