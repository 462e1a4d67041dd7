/** In the worker: how fast WebGPU and the CPU multiply here, remembered, and which of them runs a model. */
import type { BackendChoice } from './backend.js';
import type { Loader, Tuning } from './engine.js';

const CACHE = 'pagelm-tunings';
/** Nothing is fetched from there: the Cache API keeps answers to requests. */
const ADDRESS = 'https://tunings.pagelm.invalid/';
/** Drivers and browsers get faster, and one measurement may have been disturbed: after so many days it is made again. */
const KEPT_DAYS = 30;
/** What each further thread adds to the speed of the first: they share the memory, and wait for each other. */
const ANOTHER_THREAD = 0.7;
/**
 * Bytes of weights a second that threads are taken to get from memory together, at most: an assumption. What is measured of the CPU fits
 * large caches, and a model does not.
 */
const MEMORY = 30e9;

/** A tuning, and when it was measured. */
interface Kept extends Tuning {
  /** Milliseconds since 1970. */
  at: number;
}

/**
 * What was measured, in this worker and, if it may be kept, on the disk. The latter in the Cache API: an entry each that is written as
 * a whole, without a lock or a handle that another tab may hold, as a file of the store would need. Whatever is wrong with it, one measures again.
 */
export class Tunings {
  readonly #caches: () => CacheStorage | undefined;
  readonly #now: () => number;
  readonly #here = new Map<string, Tuning>();

  constructor(caches: () => CacheStorage | undefined = () => globalThis.caches, now = () => Date.now()) {
    this.#caches = caches;
    this.#now = now;
  }

  /** @param isKept whether the disk is asked */
  async get(key: string, isKept: boolean): Promise<Tuning | undefined> {
    const here = this.#here.get(key);
    if (here !== undefined || !isKept) return here;
    try {
      const answer = await (await this.#caches()?.open(CACHE))?.match(addressOf(key));
      const tuning = parse(await answer?.text(), this.#now());
      if (tuning !== undefined) this.#here.set(key, tuning);
      return tuning;
    } catch {
      return undefined;
    }
  }

  async put(key: string, tuning: Tuning, isKept: boolean): Promise<void> {
    this.#here.set(key, tuning);
    if (!isKept) return;
    try {
      const kept: Kept = { ...tuning, at: this.#now() };
      await (await this.#caches()?.open(CACHE))?.put(addressOf(key), new Response(JSON.stringify(kept)));
    } catch {
      // then the next worker measures, too
    }
  }
}

const addressOf = (key: string) => ADDRESS + encodeURIComponent(key);

function parse(text: string | undefined, now: number): Tuning | undefined {
  if (text === undefined) return undefined;
  const { split, prefill, webgpu, cpu, at } = JSON.parse(text) as Partial<Kept>;
  const isSpeed = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value > 0;
  const isFresh = typeof at === 'number' && at <= now && now - at < KEPT_DAYS * 86_400_000;
  const isPrefill = prefill === 'f32' || prefill === 'f16' || prefill === 'int8';
  return typeof split === 'boolean' && isPrefill && isSpeed(webgpu) && isSpeed(cpu) && isFresh ? { split, prefill, webgpu, cpu } : undefined;
}

/** What a choice is made with. */
export interface Calibration {
  tunings: Tunings;
  /** Whether what is measured may be kept on the disk. */
  isKept: boolean;
  /** Threads that the CPU would have. */
  threads: number;
}

/**
 * Has the device of `loader` tested and tuned, by a measurement if there is none; then it is prepared, or given up for the CPU.
 *
 * @param hasOther whether the model would run on the CPU
 */
export async function calibrated(choice: BackendChoice, loader: Loader, { tunings, isKept, threads }: Calibration, hasOther: boolean): Promise<BackendChoice> {
  const { hardware } = choice;
  const what = hardware === undefined ? undefined : loader.tuningKey?.();
  if (hardware === undefined || what === undefined) return choice;
  const key = `${hardware.name} ${what}`;
  let tuning = await tunings.get(key, isKept);
  const measured = await loader.tune?.(tuning?.split, tuning?.prefill);
  if (tuning === undefined && measured !== undefined) {
    tuning = measured;
    await tunings.put(key, measured, isKept);
  }
  return tuning === undefined || !hardware.mayLose || !hasOther ? choice : faster(choice, hardware.name, tuning, threads);
}

/** WebGPU or the CPU, and both numbers. */
export function faster(choice: BackendChoice, adapter: string, { webgpu, cpu }: Tuning, threads: number): BackendChoice {
  const whole = Math.min(MEMORY, cpu * (1 + ANOTHER_THREAD * (threads - 1)));
  if (webgpu >= whole) return { ...choice, reason: `${choice.reason} It multiplies ${gigabytes(webgpu)} GB of weights a second there, the CPU ${gigabytes(whole)}.` };
  const reason = `The CPU is used because WebGPU (${adapter}) multiplies ${gigabytes(webgpu)} GB of weights a second there, the CPU ${gigabytes(whole)}.`;
  return { backend: 'cpu', reason, mayFallBack: false };
}

function gigabytes(bytes: number): string {
  const value = bytes / 1e9;
  return value >= 10 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
}
