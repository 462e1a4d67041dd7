/** In the worker: byte ranges that are fetched at the same time and taken in order. */
import type { Range } from './ranges.js';

export class Lanes {
  readonly #ranges: readonly Range[];
  readonly #connections: number;
  readonly #fetch: (range: Range) => Promise<Uint8Array>;
  readonly #fetched = new Map<number, Promise<Uint8Array>>();
  #next = 0;
  #taken = 0;
  #running = 0;
  #hasFailed = false;

  /** Nothing is fetched before the first {@link take}. */
  constructor(ranges: readonly Range[], connections: number, fetch: (range: Range) => Promise<Uint8Array>) {
    this.#ranges = ranges;
    this.#connections = connections;
    this.#fetch = fetch;
  }

  /** The bytes of the next range. */
  async take(): Promise<Uint8Array> {
    this.#start();
    const bytes = await (this.#fetched.get(this.#taken) as Promise<Uint8Array>);
    this.#fetched.delete(this.#taken);
    this.#taken += 1;
    this.#start();
    return bytes;
  }

  /** Resolves when nothing is being fetched any more; to be aborted by whoever made this. */
  async settled(): Promise<void> {
    this.#hasFailed = true;
    await Promise.allSettled(this.#fetched.values());
  }

  /** At most two ranges for each connection are in memory, those that wait to be taken included. */
  #start(): void {
    const last = Math.min(this.#ranges.length, this.#taken + 2 * this.#connections);
    while (!this.#hasFailed && this.#running < this.#connections && this.#next < last) {
      const fetched = this.#run(this.#ranges[this.#next] as Range);
      fetched.catch(() => {}); // it fails for whoever takes it
      this.#fetched.set(this.#next, fetched);
      this.#next += 1;
    }
  }

  async #run(range: Range): Promise<Uint8Array> {
    this.#running += 1;
    try {
      return await this.#fetch(range);
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    } finally {
      this.#running -= 1;
      this.#start();
    }
  }
}
