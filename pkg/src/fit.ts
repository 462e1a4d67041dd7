/** In the worker: which backend has room for a model, once its header is known. */
import type { BackendChoice } from './backend.js';
import type { EngineFits } from './engine.js';
import { PagelmError } from './errors.js';
import type { Fit } from './types.js';

/**
 * The choice, or with `auto` the other backend when only that has room, or may have: the build for threads has no code for
 * WebGPU, and cannot tell.
 *
 * @throws {PagelmError} `out-of-memory`, `unsupported-type`, `unsupported-option`: what is needed, what there is, and what would help
 */
export function fitting(choice: BackendChoice, fits: EngineFits): BackendChoice {
  const mine = fits[choice.backend];
  if (mine === null || mine.fits) return choice;
  const other = choice.backend === 'cpu' ? 'webgpu' : 'cpu';
  const mayFit = fits[other]?.fits ?? (other === 'webgpu' && choice.adapter !== undefined);
  if (choice.isAuto && mayFit) return { ...choice, backend: other, mayFallBack: false, reason: instead(other, mine) };
  throw new PagelmError(mine.code ?? 'out-of-memory', mine.problem ?? 'The model does not fit.');
}

function instead(other: BackendChoice['backend'], { code, problem }: Fit): string {
  const names = { webgpu: 'WebGPU', cpu: 'The CPU' };
  return `${names[other]} is used because the other backend ${code === 'out-of-memory' ? 'has no room' : 'cannot run it'} (${problem}).`;
}

