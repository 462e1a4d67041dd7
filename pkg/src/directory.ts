/** In the worker: the folder of the origin private file system in which the store lives. */

const NAME = 'pagelm';

export class Directory {
  readonly #handle: FileSystemDirectoryHandle;

  private constructor(handle: FileSystemDirectoryHandle) {
    this.#handle = handle;
  }

  /** @throws {Error} where there is none, or no synchronous access to it */
  static async open(): Promise<Directory> {
    if (typeof FileSystemFileHandle === 'undefined' || !('createSyncAccessHandle' in FileSystemFileHandle.prototype)) {
      throw new Error('this browser has no synchronous file access in workers');
    }
    if (!('locks' in navigator)) throw new Error('this browser has no Web Locks');
    const root = await navigator.storage.getDirectory();
    return new Directory(await root.getDirectoryHandle(NAME, { create: true }));
  }

  /** A file for reading and writing, made if need be. A worker that was ended a moment ago may still hold it. */
  async handle(name: string): Promise<FileSystemSyncAccessHandle> {
    const file = await this.#handle.getFileHandle(name, { create: true });
    return patiently(() => file.createSyncAccessHandle());
  }

  /** A file for reading by several at once, where the browser can; undefined when somebody else has it open. */
  async readHandle(name: string): Promise<FileSystemSyncAccessHandle | undefined> {
    const file = await this.#handle.getFileHandle(name);
    // Browsers that do not know `mode` ignore it and lock for this handle alone.
    const create: (options: { mode: 'read-only' }) => Promise<FileSystemSyncAccessHandle> = file.createSyncAccessHandle.bind(file);
    try {
      return await create({ mode: 'read-only' });
    } catch (error) {
      if (isLocked(error)) return undefined;
      throw error;
    }
  }

  /** A snapshot; undefined when there is no such file. */
  async file(name: string): Promise<File | undefined> {
    try {
      return await (await this.#handle.getFileHandle(name)).getFile();
    } catch (error) {
      if (nameOf(error) === 'NotFoundError') return undefined;
      throw error;
    }
  }

  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const name of this.#handle.keys()) names.push(name);
    return names;
  }

  /** Gives a file another name, over whatever had it. False where the browser cannot. */
  async rename(from: string, to: string): Promise<boolean> {
    const file = (await this.#handle.getFileHandle(from)) as FileSystemFileHandle & { move?: (name: string) => Promise<void> };
    if (file.move === undefined) return false;
    await patiently(() => (file.move as (name: string) => Promise<void>)(to));
    return true;
  }

  async remove(name: string): Promise<void> {
    try {
      await patiently(() => this.#handle.removeEntry(name));
    } catch (error) {
      if (nameOf(error) !== 'NotFoundError') throw error;
    }
  }
}

/** Tries again while somebody else has the file open. */
async function patiently<T>(job: () => Promise<T>): Promise<T> {
  for (const pauseMs of [20, 50, 100, 200, 400, 800]) {
    try {
      return await job();
    } catch (error) {
      if (!isLocked(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  return job();
}

function isLocked(error: unknown): boolean {
  return ['NoModificationAllowedError', 'InvalidStateError'].includes(nameOf(error) ?? '');
}

export function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}
