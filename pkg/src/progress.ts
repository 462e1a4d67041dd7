import type { LoadProgress } from './types.js';

/** 20 events a second. */
const INTERVAL_MS = 50;

/** Thins out the events of each type; the last one, `loaded === total`, always comes, and only once. */
export class Progress {
  readonly #emit: (event: LoadProgress) => void;
  readonly #now: () => number;
  readonly #last = new Map<LoadProgress['type'], { at: number; complete: boolean }>();

  constructor(emit: (event: LoadProgress) => void, now: () => number = () => performance.now()) {
    this.#emit = emit;
    this.#now = now;
  }

  /** @param total 0 while unknown */
  report(type: LoadProgress['type'], loaded: number, total: number): void {
    const last = this.#last.get(type);
    const at = this.#now();
    const complete = loaded === total && total > 0;
    if (last?.complete || (!complete && last !== undefined && at - last.at < INTERVAL_MS)) return;
    this.#last.set(type, { at, complete });
    this.#emit({ type, loaded, total });
  }
}
