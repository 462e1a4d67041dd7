/** In the worker: locks that all tabs of the origin share. The browser releases them when a tab ends, however it ends. */

export interface LockOptions {
  mode?: LockMode;
  /** Give up at once if somebody has it. */
  ifAvailable?: boolean;
  signal?: AbortSignal;
}

/** Takes a lock and gives what releases it; undefined if it was not available. */
export async function takeLock(name: string, { mode = 'exclusive', ifAvailable = false, signal }: LockOptions = {}): Promise<(() => void) | undefined> {
  // A signal and `ifAvailable` exclude each other.
  const options: globalThis.LockOptions = { mode, ...(ifAvailable ? { ifAvailable } : signal && { signal }) };
  return new Promise((resolve, reject) => {
    navigator.locks.request(name, options, (lock) => {
      if (lock === null) return resolve(undefined);
      return new Promise<void>((release) => resolve(release));
    }).catch(reject);
  });
}

/** Runs `job` while nobody else holds `name`. */
export async function withLock<T>(name: string, job: () => T | Promise<T>): Promise<T> {
  return navigator.locks.request(name, job) as Promise<T>;
}
