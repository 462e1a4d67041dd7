/** In the worker: what this browser can run. */

export interface Features {
  /** WebAssembly SIMD128; nothing runs without. */
  simd: boolean;
  relaxedSimd: boolean;
  /** Why there is no shared memory; undefined where there is. */
  noThreads: string | undefined;
  /** Threads that this device runs at the same time. */
  cores: number;
}

/** A module of one function without arguments; `code` leaves nothing on the stack. */
function module(code: readonly number[], memory: readonly number[] = []): Uint8Array<ArrayBuffer> {
  const body = [0, ...code, 0x0b]; // no locals ... end
  return Uint8Array.of(
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // magic number, version
    1, 4, 1, 0x60, 0, 0, // types: () -> ()
    3, 2, 1, 0, // functions: one of type 0
    ...(memory.length > 0 ? [5, memory.length + 1, 1, ...memory] : []), // memories: one
    10, body.length + 2, 1, body.length, ...body, // code
  );
}

const I32_0 = [0x41, 0];
const SPLAT = [...I32_0, 0xfd, 0x0f]; // i8x16.splat
const DROP = 0x1a;
const SIMD = module([...SPLAT, DROP]);
/** i16x8.relaxed_dot_i8x16_i7x16_s */
const RELAXED = module([...SPLAT, ...SPLAT, 0xfd, 0x92, 0x02, DROP]);
/** i32.atomic.load on a shared memory of one page. */
const THREADS = module([...I32_0, 0xfe, 0x10, 2, 0, DROP], [3, 1, 1]);

export function detectFeatures(): Features {
  return {
    simd: WebAssembly.validate(SIMD),
    relaxedSimd: WebAssembly.validate(RELAXED),
    noThreads: whyNoThreads(),
    cores: Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1),
  };
}

function whyNoThreads(): string | undefined {
  if (globalThis.crossOriginIsolated !== true) return 'the page is not cross-origin isolated (headers COOP and COEP)';
  if (typeof SharedArrayBuffer === 'undefined') return 'there is no SharedArrayBuffer here';
  return WebAssembly.validate(THREADS) ? undefined : 'this browser has no WebAssembly threads';
}
