/** In the worker: downloads that are not complete, as the store tells of them and lets go of them. */
import { PagelmError } from './errors.js';
import { withIndex } from './index-journal.js';
import { parseJournal } from './journal.js';
import { takeLock } from './locks.js';
import { progressIn } from './part-file.js';
import { type Store, partLock } from './store.js';
import type { UnfinishedDownload } from './store-types.js';

/** An unfinished file as it lies on the disk. */
export interface UnfinishedPart {
  key: string;
  /** With the holes between its ranges. */
  bytes: number;
  /** When it was last written, in milliseconds since 1970. */
  at: number;
}

export async function unfinishedParts(store: Store): Promise<UnfinishedPart[]> {
  const placed = await withIndex(store.directory, (index) => new Set(Array.from(index.files.values(), ({ name }) => name)));
  const parts = [];
  for (const name of await store.directory.names()) {
    const file = name.endsWith('.part') && !placed.has(name) ? await store.directory.file(name) : undefined;
    if (file !== undefined) parts.push({ key: name.slice(0, -'.part'.length), bytes: file.size, at: file.lastModified });
  }
  return parts;
}

/** Those of files, and complete files of split models that are not, the last changed first. */
export async function listUnfinished(store: Store): Promise<UnfinishedDownload[]> {
  const begun = await Promise.all((await unfinishedParts(store)).map((part) => describe(store, part)));
  const loose = await withIndex(store.directory, (index) => index.looseFiles().map((file) => ({ ...file, source: index.addressOf(file.sha256) ?? '' })));
  const parts = await Promise.all(loose.map(async ({ sha256, bytes, name, source }) => (
    { id: sha256, source, bytes, total: bytes, changedAt: (await store.directory.file(name))?.lastModified ?? 0, isActive: false })));
  return [...begun.flatMap((one) => one ?? []), ...parts].sort((a, b) => b.changedAt - a.changedAt);
}

/** Undefined for one that has gone meanwhile, or that does not say yet what it is. */
async function describe(store: Store, { key, at }: UnfinishedPart): Promise<UnfinishedDownload | undefined> {
  const log = await store.directory.file(`${key}.log`);
  const bytes = await log?.arrayBuffer().catch(() => undefined); // written to since it was opened: another tab is at it
  const { identity, bytes: arrived } = progressIn(parseJournal(new Uint8Array(bytes ?? new ArrayBuffer())).records);
  if (identity === undefined) return undefined;
  return { id: key, source: identity.url, bytes: Math.min(arrived, identity.total), total: identity.total, changedAt: at, isActive: !(await isFree(key)) };
}

async function isFree(key: string): Promise<boolean> {
  const release = await takeLock(partLock(key), { ifAvailable: true });
  await release?.();
  return release !== undefined;
}

/** @throws {PagelmError} `storage` while a tab works at it, `invalid-argument` for an id that is not there */
export async function discardUnfinished(store: Store, id: string): Promise<void> {
  if ((await unfinishedParts(store)).some(({ key }) => key === id)) {
    if (await store.dropUnfinished(id)) return;
    throw new PagelmError('storage', `The download ${id} goes on in a tab of this site; end it there first.`);
  }
  const loose = await withIndex(store.directory, (index) => index.looseFiles().filter(({ sha256 }) => sha256 === id));
  if (loose.length === 0) throw new PagelmError('invalid-argument', `There is no unfinished download ${JSON.stringify(id)} in the store; models.unfinished() gives their ids.`);
  await store.removeFiles(loose);
}
