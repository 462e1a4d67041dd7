// The origin private file system and Web Locks, in memory, for what no browser can do on request: end at a given step.

class Locks {
  #held = new Map(); // name -> { mode, count, waiting }

  request(name, options, callback = options) {
    const { mode = 'exclusive', ifAvailable = false, signal } = typeof options === 'function' ? {} : options;
    const lock = this.#held.get(name) ?? { exclusive: false, shared: 0, waiting: [] };
    this.#held.set(name, lock);
    const isFree = () => !lock.exclusive && (mode === 'shared' || lock.shared === 0);
    const run = async () => {
      if (mode === 'shared') lock.shared += 1;
      else lock.exclusive = true;
      try {
        return await callback({ name, mode });
      } finally {
        if (mode === 'shared') lock.shared -= 1;
        else lock.exclusive = false;
        for (const wake of lock.waiting.splice(0)) wake();
      }
    };
    if (isFree()) return run();
    if (ifAvailable) return Promise.resolve(callback(null));
    return new Promise((resolve, reject) => {
      const wake = () => (signal?.aborted ? reject(signal.reason) : isFree() ? resolve(run()) : lock.waiting.push(wake));
      lock.waiting.push(wake);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }
}

export class Crash extends Error {
  name = 'Crash';
}

/** What is on the disk outlives what happens to the browser. */
export class Disk {
  files = new Map(); // name -> { bytes, open }
  quota = Infinity;
  /** Steps until the browser ends: writes, truncations, renames, removals. */
  stepsLeft = Infinity;
  steps = 0;

  /** A browser on this disk: what `navigator` is to be. */
  boot() {
    for (const file of this.files.values()) file.open = false;
    this.stepsLeft = Infinity;
    const directory = this.#directory();
    return {
      locks: new Locks(),
      storage: {
        getDirectory: async () => ({ getDirectoryHandle: async () => directory }),
        estimate: async () => ({ quota: this.quota === Infinity ? 1e15 : this.quota, usage: this.usage() }),
      },
    };
  }

  usage() {
    return [...this.files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  step() {
    this.steps += 1;
    this.stepsLeft -= 1;
    if (this.stepsLeft < 0) throw new Crash('the browser has ended');
  }

  #directory() {
    const missing = () => { throw new DOMException('no such file', 'NotFoundError'); };
    return {
      getFileHandle: async (name, { create = false } = {}) => {
        if (!this.files.has(name)) {
          if (!create) missing();
          this.step();
          this.files.set(name, { bytes: new Uint8Array(), open: false });
        }
        return new FakeFileHandle(this, name);
      },
      removeEntry: async (name) => {
        const file = this.files.get(name) ?? missing();
        if (file.open) throw new DOMException('open', 'NoModificationAllowedError');
        this.step();
        this.files.delete(name);
      },
      keys: async function* keys() { yield* [...this.files.keys()]; }.bind(this),
    };
  }
}

class FakeFileHandle {
  #disk; #name;
  constructor(disk, name) { this.#disk = disk; this.#name = name; }

  get #file() {
    const file = this.#disk.files.get(this.#name);
    if (!file) throw new DOMException('no such file', 'NotFoundError');
    return file;
  }

  async getFile() {
    return new File([this.#file.bytes], this.#name, { lastModified: this.#file.changedAt ?? 0 });
  }

  async move(name) {
    const file = this.#file;
    if (file.open) throw new DOMException('open', 'NoModificationAllowedError');
    this.#disk.step();
    this.#disk.files.delete(this.#name);
    this.#disk.files.set(name, file);
  }

  async createSyncAccessHandle({ mode = 'readwrite' } = {}) {
    const [disk, file] = [this.#disk, this.#file];
    if (file.open) throw new DOMException('open', 'NoModificationAllowedError');
    file.open = mode === 'readwrite';
    const resize = (size) => { const bytes = new Uint8Array(size); bytes.set(file.bytes.subarray(0, size)); file.bytes = bytes; };
    return {
      getSize: () => file.bytes.length,
      read: (buffer, { at }) => { const some = file.bytes.subarray(at, at + buffer.length); buffer.set(some); return some.length; },
      write: (bytes, { at }) => {
        if (disk.usage() + Math.max(0, at + bytes.length - file.bytes.length) > disk.quota) throw new DOMException('full', 'QuotaExceededError');
        // A crash in the middle of a write leaves the first half of it.
        const isLast = disk.stepsLeft <= 0;
        const kept = isLast ? bytes.subarray(0, bytes.length / 2) : bytes;
        if (at + kept.length > file.bytes.length) resize(at + kept.length);
        file.bytes.set(kept, at);
        file.changedAt = Date.now();
        disk.step();
        return bytes.length;
      },
      truncate: (size) => { disk.step(); resize(size); },
      flush() {},
      close: () => { file.open = false; },
    };
  }
}

globalThis.FileSystemFileHandle = FakeFileHandle;
export function useNavigator(fake) {
  Object.defineProperty(globalThis, 'navigator', { value: fake, configurable: true, writable: true });
}
