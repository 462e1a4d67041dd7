/**
 * What the store knows: files by their content, the addresses they were got from, and models, which are files in an
 * order. Plain data, replayed from the records of a journal.
 */

import type { ModelFacts } from './byte-stream.js';

export interface StoredFile {
  sha256: string;
  bytes: number;
  /** In the store's folder; its hash, where the browser can rename. */
  name: string;
}

export interface StoredModel {
  /** SHA-256 of the first file. */
  id: string;
  /** SHA-256 of each file. */
  files: string[];
  /** Where each file was got from; names for imported ones. */
  sources: string[];
  /** Milliseconds since 1970. */
  addedAt: number;
  usedAt: number;
  pinned: boolean;
  /** What the file says of itself; null before it was first loaded. */
  facts: ModelFacts | null;
}

export type IndexRecord =
  | { file: StoredFile }
  | { address: string; sha256: string }
  | { model: StoredModel }
  | { used: string; at: number }
  | { pin: string; pinned: boolean }
  | { facts: ModelFacts; of: string }
  | { removed: string }
  | { gone: string };

export class StoreIndex {
  readonly files = new Map<string, StoredFile>();
  readonly addresses = new Map<string, string>();
  readonly models = new Map<string, StoredModel>();

  /** Records of a kind that this version does not know are passed over. */
  apply(record: IndexRecord): void {
    if ('file' in record) this.files.set(record.file.sha256, record.file);
    else if ('address' in record) this.addresses.set(record.address, record.sha256);
    else if ('model' in record) this.models.set(record.model.id, { ...record.model });
    else if ('used' in record) this.#change(record.used, { usedAt: record.at });
    else if ('pin' in record) this.#change(record.pin, { pinned: record.pinned });
    else if ('facts' in record) this.#change(record.of, { facts: record.facts });
    else if ('removed' in record) this.models.delete(record.removed);
    else if ('gone' in record) this.#forget(record.gone);
  }

  /** The fewest records that give this. */
  records(): IndexRecord[] {
    return [
      ...Array.from(this.files.values(), (file) => ({ file })),
      ...Array.from(this.addresses, ([address, sha256]) => ({ address, sha256 })),
      ...Array.from(this.models.values(), (model) => ({ model })),
    ];
  }

  /** The file with this hash, or the one that was last got from this address. */
  find(url: string, sha256: string | undefined): StoredFile | undefined {
    const hash = sha256 ?? this.addresses.get(url);
    return hash === undefined ? undefined : this.files.get(hash);
  }

  /** Where the file with this hash was got from. */
  addressOf(sha256: string): string | undefined {
    return [...this.addresses].find(([, hash]) => hash === sha256)?.[0];
  }

  bytesOf(model: StoredModel): number {
    return model.files.reduce((sum, sha256) => sum + (this.files.get(sha256)?.bytes ?? 0), 0);
  }

  /** Files of `model` that no other model has. */
  ownFiles(model: StoredModel): StoredFile[] {
    const others = new Set([...this.models.values()].filter(({ id }) => id !== model.id).flatMap(({ files }) => files));
    return model.files.filter((sha256) => !others.has(sha256)).flatMap((sha256) => this.files.get(sha256) ?? []);
  }

  /** Files that no model has: of split models that are not complete yet. */
  looseFiles(): StoredFile[] {
    const used = new Set([...this.models.values()].flatMap(({ files }) => files));
    return [...this.files.values()].filter(({ sha256 }) => !used.has(sha256));
  }

  #change(id: string, fields: Partial<StoredModel>): void {
    const model = this.models.get(id);
    if (model !== undefined) this.models.set(id, { ...model, ...fields });
  }

  #forget(sha256: string): void {
    this.files.delete(sha256);
    for (const [address, hash] of this.addresses) if (hash === sha256) this.addresses.delete(address);
    for (const [id, { files }] of this.models) if (files.includes(sha256)) this.models.delete(id);
  }
}
