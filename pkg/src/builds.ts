/** In the worker: which of the three builds of the engine runs, with how many threads, and why. */
import type { Backend } from './engine.js';
import { PagelmError } from './errors.js';
import type { Features } from './features.js';
import type { LoadSettings } from './protocol.js';

/**
 * `baseline` runs everywhere; `relaxed` needs relaxed SIMD; `threads` needs shared memory, too, and has no WebGPU:
 * there the threads would have nothing to do.
 */
export type Build = 'baseline' | 'relaxed' | 'threads';

/** What was asked for. */
export type BuildSettings = Pick<LoadSettings, 'kernels' | 'threads'>;

export interface BuildChoice {
  build: Build;
  /** Threads that run the model, the worker's own included. */
  threads: number;
  /** One sentence: why so many. */
  threadsReason: string;
}

/** More are rarely faster: the memory is busy with fewer. */
const MOST_BY_DEFAULT = 8;

/** @throws {PagelmError} `unsupported-environment` for a browser without SIMD, or without the kernels that were asked for by name */
export function chooseBuild(backend: Backend, { kernels = 'auto', threads }: BuildSettings, features: Features): BuildChoice {
  if (!features.simd) throw lacking('WebAssembly SIMD');
  const isRelaxed = kernels.startsWith('relaxed');
  if (isRelaxed && !features.relaxedSimd) throw lacking(`relaxed SIMD, which kernels '${kernels}' needs`);
  const single: Build = features.relaxedSimd && kernels !== 'baseline' ? 'relaxed' : 'baseline';
  if (backend === 'webgpu') return alone(single, 'WebGPU needs one thread.');
  if (threads === 1) return alone(single, 'One thread was asked for.');
  if (kernels === 'baseline') return alone(single, "One thread, because kernels 'baseline' has no more.");
  if (!features.relaxedSimd) return alone(single, 'One thread, because this browser has no relaxed SIMD.');
  if (features.noThreads !== undefined) return alone(single, `One thread, because ${features.noThreads}.`);
  if (threads !== undefined) return { build: 'threads', threads, threadsReason: `${threads} threads were asked for.` };
  if (features.cores === 1) return alone(single, 'One thread, because this device runs one at a time.');
  const count = Math.min(features.cores, MOST_BY_DEFAULT);
  return { build: 'threads', threads: count, threadsReason: `${count} threads, because this device runs ${features.cores} at a time.` };
}

/** The choice after the build with threads could not be started. */
export function withoutThreads(choice: BuildChoice, error: unknown): BuildChoice {
  return alone('relaxed', fewerThreads(choice, 1, error instanceof Error ? error.message : String(error)));
}

/** Why there are only `count` of the threads of `choice`. */
export function fewerThreads(choice: BuildChoice, count: number, why: string): string {
  return `${count === 1 ? 'One thread' : `${count} threads`}, because ${choice.threads} cannot be started: ${why.replace(/\.$/, '')}.`;
}

function alone(build: Build, threadsReason: string): BuildChoice {
  return { build, threads: 1, threadsReason };
}

function lacking(what: string): PagelmError {
  return new PagelmError('unsupported-environment', `This browser has no ${what}. Use a newer one${what.startsWith('relaxed') ? ", or kernels 'auto'" : ''}.`);
}
