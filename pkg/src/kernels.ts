/** In the worker: which form of the CPU's kernels is the fastest of those that this engine computes correctly. */
import type { EngineModule } from './engine.js';
import { PagelmError } from './errors.js';

/** How long each is timed, in milliseconds. */
const TIMED_MS = 0.4;
/** Products of one call; about a twentieth of a millisecond. */
const ROUNDS = 32;

/**
 * Sets the kernels of a build: the ones with the name `wanted`, or the fastest. All give the same numbers.
 *
 * @throws {PagelmError} `unsupported-environment` when they do not compute correctly here, or none does
 */
export function pickKernels(wasm: Pick<EngineModule, 'kernelForms' | 'setKernels' | 'exerciseKernels'>, wanted: string, now = () => performance.now()): void {
  const forms = wasm.kernelForms();
  if (forms.includes(wanted)) return wasm.setKernels(wanted);
  const isName = wanted.includes('-');
  if (forms.length === 0 || isName) {
    throw new PagelmError('unsupported-environment', `This browser's relaxed SIMD does not compute kernels '${wanted}' correctly${forms.length > 0 ? `, only ${forms.join(' and ')}` : ''}. Use kernels 'auto'.`);
  }
  const speeds = forms.length === 1 ? [0] : forms.map((form) => speedOf(wasm, form, now));
  wasm.setKernels(forms[speeds.indexOf(Math.max(...speeds))] as string);
}

/** In calls a millisecond. */
function speedOf(wasm: Pick<EngineModule, 'setKernels' | 'exerciseKernels'>, form: string, now: () => number): number {
  wasm.setKernels(form);
  wasm.exerciseKernels(ROUNDS); // warm up: compiled, and in the cache
  const start = now();
  let calls = 0;
  let spent = 0;
  do {
    wasm.exerciseKernels(ROUNDS);
    calls += 1;
    spent = now() - start;
  } while (spent < TIMED_MS && calls < 1000);
  return calls / Math.max(spent, Number.EPSILON);
}
