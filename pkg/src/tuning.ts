/** In the worker: how many threads generate a token fastest. Each costs some microseconds an operation, so fewer may win. */
import type { Engine, Step } from './engine.js';

/**
 * Tokens, and milliseconds of them, before any is measured: until then the browser runs code that it has not optimised yet, and is
 * busy optimising it on what should be one of the threads' cores.
 */
const WARM_UP = { tokens: 8, ms: 500 };
/** Tokens that are measured with each number of threads, in turn, so that what gets faster or slower meanwhile does so for all. */
const ROUNDS = 4;
/** Fewer threads have to be faster by this much to be taken. */
const GAIN = 1.05;

/** The numbers that are tried: each is a good part less than the one before. */
export function candidates(threads: number): number[] {
  return [...new Set([1, 0.75, 0.5, 0.25].map((part) => Math.max(1, Math.round(threads * part))))];
}

/** The search itself, fed with times. */
export class Tuning {
  readonly #candidates: number[];
  /** Of each candidate, in milliseconds. */
  readonly #least: number[];
  /** What is left of {@link WARM_UP}. */
  readonly #cold = { ...WARM_UP };
  #measured = 0;

  constructor(threads: number) {
    this.#candidates = candidates(threads);
    this.#least = this.#candidates.map(() => Infinity);
  }

  /** What to use now. */
  get threads(): number {
    return this.#candidates[this.isDone ? this.#best() : this.#turn] as number;
  }

  get isDone(): boolean {
    return this.#measured >= ROUNDS * this.#candidates.length;
  }

  /** A token took `ms` with {@link Tuning.threads}. */
  add(ms: number): void {
    if (this.#cold.tokens > 0 || this.#cold.ms > 0) {
      this.#cold.tokens -= 1;
      this.#cold.ms -= ms;
    } else if (!this.isDone) {
      this.#least[this.#turn] = Math.min(ms, this.#least[this.#turn] as number);
      this.#measured += 1;
    }
  }

  get #turn(): number {
    return this.#measured % this.#candidates.length;
  }

  #best(): number {
    return this.#least.reduce((best, ms, at) => (ms * GAIN < (this.#least[best] as number) ? at : best), 0);
  }
}

/** Makes `engine` find its number of threads while it generates its first tokens. */
export function tune(engine: Engine, threads: number, setRowThreads: (count: number) => void, now = () => performance.now()): void {
  const tuning = new Tuning(threads);
  const plain = engine.step.bind(engine);
  let last: Step['type'] | undefined;
  engine.step = async () => {
    setRowThreads(tuning.threads);
    const start = now();
    const step = await plain();
    // the first token's step has the end of the prompt in it
    if (step.type === 'token' && last === 'token') tuning.add(now() - start);
    last = step.type;
    if (tuning.isDone) {
      setRowThreads(tuning.threads);
      engine.step = plain;
    }
    return step;
  };
}
