/** In the worker: locks that all tabs of the origin share. The browser releases them when a tab ends, however it ends. */

export interface LockOptions {
  mode?: LockMode;
  /** Give up at once if somebody has it. */
  ifAvailable?: boolean;
  signal?: AbortSignal;
}

/** Gives a lock back, and resolves when others can have it. */
export type Release = () => Promise<void>;

/** Takes a lock; undefined if it was not available. */
export async function takeLock(name: string, { mode = 'exclusive', ifAvailable = false, signal }: LockOptions = {}): Promise<Release | undefined> {
  // A signal and `ifAvailable` exclude each other.
  const options: globalThis.LockOptions = { mode, ...(ifAvailable ? { ifAvailable } : signal && { signal }) };
  return new Promise((resolve, reject) => {
    const released = navigator.locks.request(name, options, (lock) => {
      if (lock === null) return resolve(undefined);
      return new Promise<void>((release) => {
        resolve(async () => {
          release();
          await released;
        });
      });
    });
    released.catch(reject);
  });
}

/** Runs `job` while nobody else holds `name`. */
export async function withLock<T>(name: string, job: () => T | Promise<T>): Promise<T> {
  return navigator.locks.request(name, job) as Promise<T>;
}
