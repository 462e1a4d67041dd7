/** In the worker: which form of the CPU's kernels is used, of those that this engine computes correctly. */
import type { EngineModule } from './engine.js';
import { PagelmError } from './errors.js';

/**
 * Sets the kernels of a build: the ones with the name `wanted`, or the fastest. All give the same numbers.
 *
 * @throws {PagelmError} `unsupported-environment` when they do not compute correctly here, or none does
 */
export function pickKernels(wasm: Pick<EngineModule, 'kernelForms' | 'setKernels'>, wanted: string): void {
  const forms = wasm.kernelForms();
  const isName = wanted.includes('-');
  const form = isName ? forms.find((known) => known === wanted) : forms[0];
  if (form === undefined) {
    throw new PagelmError('unsupported-environment', `This browser's relaxed SIMD does not compute kernels '${wanted}' correctly${forms.length > 0 ? `, only ${forms.join(' and ')}` : ''}. Use kernels 'auto'.`);
  }
  wasm.setKernels(form);
}
