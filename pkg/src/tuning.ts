/** In the worker: how many threads generate a token fastest. Each costs some microseconds an operation, so fewer may win. */
import type { Engine, Step } from './engine.js';

/** Tokens that are measured with each number of threads, after one that is not. */
const MEASURED = 3;
/** Fewer threads have to be faster by this much to be taken. */
const GAIN = 1.05;

/** The numbers that are tried: each is a good part less than the one before. */
export function candidates(threads: number): number[] {
  return [...new Set([1, 0.75, 0.5, 0.25].map((part) => Math.max(1, Math.round(threads * part))))];
}

/** The search itself, fed with times. */
export class Tuning {
  readonly #left: number[];
  #best: { threads: number; ms: number } | undefined;
  #times: number[] = [];

  constructor(threads: number) {
    this.#left = candidates(threads);
  }

  /** What to use now. */
  get threads(): number {
    return this.#left[0] ?? this.#best?.threads ?? 1;
  }

  get isDone(): boolean {
    return this.#left.length === 0;
  }

  /** A token took `ms` with {@link Tuning.threads}. */
  add(ms: number): void {
    if (this.isDone || this.#times.push(ms) <= MEASURED) return;
    const least = Math.min(...this.#times.slice(1));
    this.#times = [];
    const [threads = 1] = this.#left.splice(0, 1);
    if (this.#best === undefined || least * GAIN < this.#best.ms) this.#best = { threads, ms: least };
    else this.#left.length = 0; // still fewer are slower still
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
