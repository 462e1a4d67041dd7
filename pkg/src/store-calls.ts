/** In the worker: what a page asks of the store. */
import { PIECE_BYTES, readBlob } from './byte-stream.js';
import type { EngineModule } from './engine.js';
import { PagelmError } from './errors.js';
import { nameOf } from './directory.js';
import { withIndex } from './index-journal.js';
import type { Progress } from './progress.js';
import type { StoreAnswers, StoreRequest } from './protocol.js';
import { Store, roomLeft, storageError } from './store.js';
import type { StoreIndex, StoredFile, StoredModel } from './store-index.js';
import type { Evicted, ModelCheck, StoreUsage, StoredModelInfo } from './store-types.js';
import { discardUnfinished, listUnfinished, unfinishedParts } from './unfinished.js';

export interface StoreContext {
  /** The engine, when it is needed: it hashes. */
  engine(): Promise<Pick<EngineModule, 'Hasher'>>;
  progress: Progress;
  signal: AbortSignal;
}

/** @throws {PagelmError} `storage`, `invalid-argument` for an id that is not there, `aborted` */
export async function answerStore<T extends StoreRequest>(request: T, context: StoreContext): Promise<StoreAnswers[T['method']]> {
  try {
    const store = await Store.open(request.method in nothing ? undefined : 'opfs');
    await store?.sweep();
    if (store === undefined) return nothing[request.method as keyof typeof nothing] as StoreAnswers[T['method']];
    return (await methods[request.method](store, request as never, context)) as StoreAnswers[T['method']];
  } catch (cause) {
    context.signal.throwIfAborted();
    if (PagelmError.isInstance(cause)) throw cause;
    throw new PagelmError('storage', `The store of models failed: ${String(cause)}.`, { cause });
  }
}

type Methods = { [M in keyof StoreAnswers]: (store: Store, request: Extract<StoreRequest, { method: M }>, context: StoreContext) => Promise<StoreAnswers[M]> };

const methods: Methods = {
  list: (store) => withIndex(store.directory, (index) => [...index.models.values()].sort((a, b) => b.usedAt - a.usedAt).map((model) => infoOf(index, model))),
  inspect: (store, { id }) => withIndex(store.directory, (index) => infoOf(index, known(index, id))),
  pin: (store, { id, pinned }) => withIndex(store.directory, (index, append) => {
    known(index, id);
    append({ pin: id, pinned });
    return infoOf(index, known(index, id));
  }),
  remove: async (store, { id }) => {
    await removeModel(store, id);
  },
  unfinished: (store) => listUnfinished(store),
  discard: (store, { id }) => discardUnfinished(store, id),
  usage: (store) => usageOf(store),
  verify: verifyModel,
  export: exportModel,
  import: importModel,
};

/** What browsers without a store answer. */
const nothing: Pick<StoreAnswers, 'list' | 'unfinished' | 'usage'> = {
  list: [],
  unfinished: [],
  usage: { isAvailable: false, models: 0, modelBytes: 0, unfinishedBytes: 0, quota: null, usage: null, persisted: false },
};

function infoOf(index: StoreIndex, model: StoredModel): StoredModelInfo {
  const files = model.files.map((sha256) => ({ sha256, bytes: index.files.get(sha256)?.bytes ?? 0 }));
  return { ...model, files, bytes: index.bytesOf(model) };
}

function known(index: StoreIndex, id: string): StoredModel {
  const model = index.models.get(id);
  if (model !== undefined) return model;
  throw new PagelmError('invalid-argument', `There is no model ${JSON.stringify(id)} in the store, which has ${index.models.size}; models.list() gives their ids.`);
}

/**
 * Removes a model and the files that no other has. Returns how many bytes that gives back.
 * @throws {PagelmError} `storage` while a tab reads it
 */
export async function removeModel(store: Store, id: string): Promise<number> {
  const files = await withIndex(store.directory, (index) => index.ownFiles(known(index, id)));
  return store.removeFiles(files, id);
}

async function usageOf(store: Store): Promise<StoreUsage> {
  const { quota, usage } = await roomLeft();
  const { models, loose } = await withIndex(store.directory, (index) => ({
    models: { count: index.models.size, bytes: sum([...index.files.values()]) - sum(index.looseFiles()) },
    loose: sum(index.looseFiles()),
  }));
  const unfinished = await unfinishedParts(store);
  return { isAvailable: true, models: models.count, modelBytes: models.bytes, unfinishedBytes: loose + sum(unfinished), quota: quota ?? null, usage: usage ?? null, persisted: await navigator.storage.persisted?.() ?? false };
}

const sum = (files: readonly { bytes: number }[]) => files.reduce((total, { bytes }) => total + bytes, 0);

async function verifyModel(store: Store, { id }: { id: string }, { engine, progress, signal }: StoreContext): Promise<ModelCheck> {
  const { Hasher } = await engine();
  const { model, files } = await withIndex(store.directory, (index) => {
    const found = known(index, id);
    return { model: found, files: found.files.flatMap((sha256) => index.files.get(sha256) ?? []) };
  });
  const total = sum(files);
  let hashed = 0;
  const bad: StoredFile[] = [];
  for (const file of files) {
    const stored = await store.openStored(file);
    if (stored === undefined) {
      bad.push(file);
      continue;
    }
    const hasher = new Hasher();
    try {
      for await (const piece of (await stored.stream()).pieces) {
        signal.throwIfAborted();
        hasher.update(piece);
        hashed += piece.byteLength;
        progress.report('verify', hashed, total);
      }
      if (hasher.hex() !== file.sha256) bad.push(file);
    } finally {
      hasher.free();
      await stored.release();
    }
  }
  if (bad.length > 0) await store.removeFiles(bad);
  return { id: model.id, ok: bad.length === 0 && files.length === model.files.length, bad: bad.map(({ sha256 }) => sha256) };
}

async function exportModel(store: Store, { id }: { id: string }): Promise<Blob[]> {
  const { files, sources } = await withIndex(store.directory, (index, append) => {
    const model = known(index, id);
    append({ used: id, at: Date.now() });
    return { files: model.files.flatMap((sha256) => index.files.get(sha256) ?? []), sources: model.sources };
  });
  const blobs: Blob[] = [];
  for (const [index, file] of files.entries()) {
    const blob = await store.directory.file(file.name);
    if (blob?.size !== file.bytes) throw new PagelmError('storage', `File ${file.sha256} of the model is damaged; models.verify() removes it, and loading from its address gets it again.`);
    // Named as it was; its bytes stay on the disk.
    blobs.push(new File([blob], lastName(sources[index] ?? file.sha256)));
  }
  return blobs;
}

function lastName(source: string): string {
  const name = source.split(/[?#]/)[0]?.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(name) || 'model.gguf';
  } catch {
    return name;
  }
}

async function importModel(store: Store, { blobs, names }: { blobs: Blob[]; names: string[] }, context: StoreContext): Promise<StoredModelInfo> {
  const { Hasher } = await context.engine();
  const total = blobs.reduce((bytes, { size }) => bytes + size, 0);
  const { quota, usage } = await roomLeft();
  if (quota !== undefined && usage !== undefined && total > quota - usage) {
    throw new PagelmError('storage', `There is no room for ${total} bytes: this origin uses ${usage} of the ${quota} bytes that it may.`);
  }
  const files: StoredFile[] = [];
  let copied = 0;
  for (const [index, blob] of blobs.entries()) {
    const hasher = new Hasher();
    const name = names[index] ?? 'model.gguf';
    const part = await store.openPart({ url: `import:${crypto.randomUUID()}` }, context.signal);
    try {
      for (let at = 0; at < blob.size; at += PIECE_BYTES) {
        context.signal.throwIfAborted();
        const piece = await readBlob(blob, at, at + PIECE_BYTES);
        hasher.update(piece);
        part.file.write(piece, at);
        copied += piece.byteLength;
        context.progress.report('verify', copied, total);
      }
      part.file.name({ url: `import:${name}`, total: blob.size, sha256: hasher.hex(), etag: null, lastModified: null });
      files.push(await store.complete(part, `import:${name}`, hasher.hex(), blob.size));
    } catch (cause) {
      await part.file.discard().catch(() => {});
      if (nameOf(cause) === 'QuotaExceededError') throw new PagelmError('storage', `There is no room for ${name}: the disk or this origin's share of it is full.`, { cause });
      throw storageError('written', name, cause);
    } finally {
      hasher.free();
      await part.release();
    }
  }
  await store.noteModel(files, names);
  return withIndex(store.directory, (index) => infoOf(index, known(index, (files[0] as StoredFile).sha256)));
}

/**
 * Removes what is needed least, until `bytes` are free: unfinished downloads first, then models, the longest unused first. Pinned
 * models, what a tab works at, and the unfinished download `keep` stay. If all of that were not enough, nothing is removed.
 */
export async function makeRoom(store: Store, bytes: number, keep: string, tell: (evicted: Evicted) => void): Promise<void> {
  const { quota, usage } = await roomLeft();
  if (quota === undefined || usage === undefined) return;
  let lack = bytes - (quota - usage);
  const { models, loose } = await withIndex(store.directory, (index) => ({
    loose: index.looseFiles(),
    models: [...index.models.values()].filter(({ pinned }) => !pinned).sort((a, b) => a.usedAt - b.usedAt).map((model) => ({ model, own: sum(index.ownFiles(model)) })),
  }));
  const parts = (await unfinishedParts(store)).filter(({ key }) => key !== keep);
  if (lack > sum(parts) + sum(loose) + models.reduce((total, { own }) => total + own, 0)) return;
  for (const part of parts.sort((a, b) => a.at - b.at)) {
    if (lack <= 0) return;
    if (await store.dropUnfinished(part.key)) {
      lack -= part.bytes;
      tell({ id: null, source: '', bytes: part.bytes });
    }
  }
  for (const file of loose) {
    if (lack <= 0) return;
    const freed = await store.removeFiles([file]).catch(() => 0);
    lack -= freed;
    if (freed > 0) tell({ id: null, source: '', bytes: freed });
  }
  for (const { model } of models) {
    if (lack <= 0) return;
    const freed = await removeModel(store, model.id).catch(() => 0);
    lack -= freed;
    if (freed > 0) tell({ id: model.id, source: model.sources[0] ?? '', bytes: freed });
  }
}
