import { Progress } from './progress.js';
import type { LoadProgress } from './types.js';

/** Tabs that wait for the same download hear of it here. @param lock whose holder speaks */
export function channelOf(lock: string): BroadcastChannel {
  return new BroadcastChannel(`${lock}:progress`);
}

/** Progress of all files of a model together. */
export class Tally {
  readonly #progress: Progress;
  readonly #download = { loaded: 0, total: 0 };
  readonly #verify = { loaded: 0, total: 0 };
  /** Files that do not say how long they are. */
  #unknown = 0;
  #channel: BroadcastChannel | undefined;
  #others: Progress | undefined;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  /** Tells tabs that wait for `lock`, too. */
  share(lock: string): void {
    this.#channel = channelOf(lock);
    this.#others = new Progress((event) => this.#channel?.postMessage(event satisfies LoadProgress));
  }

  close(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** A file will be downloaded, of which `have` bytes are here. @param total undefined while unknown */
  expect(total: number | undefined, have: number): void {
    if (total === undefined) this.#unknown += 1;
    this.#download.total += total ?? 0;
    this.#download.loaded += have;
  }

  received(bytes: number): void {
    this.#download.loaded += bytes;
    this.#report('download', this.#download);
  }

  /** A file of unknown length has ended after so many bytes. */
  ended(total: number): void {
    this.#unknown -= 1;
    this.#download.total += total;
    this.#report('download', this.#download);
  }

  expectHashing(total: number): void {
    this.#verify.total += total;
  }

  hashed(bytes: number): void {
    this.#verify.loaded += bytes;
    this.#report('verify', this.#verify);
  }

  #report(type: 'download' | 'verify', { loaded, total }: { loaded: number; total: number }): void {
    const known = type === 'download' && this.#unknown > 0 ? 0 : total;
    this.#progress.report(type, loaded, known);
    this.#others?.report(type, loaded, known);
  }
}
