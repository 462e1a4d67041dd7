/**
 * In the worker: the store's index on disk. Two journals take turns: the one with the higher generation that is sealed
 * counts. A journal that has grown long is written anew into the other, so that no crash leaves neither.
 */
import type { Directory } from './directory.js';
import { Journal } from './journal.js';
import { withLock } from './locks.js';
import { type IndexRecord, StoreIndex } from './store-index.js';

const NAMES = ['index.a', 'index.b'] as const;
const LOCK = 'pagelm:index';
/** Records beyond the live ones before the journal is written anew. */
const SLACK = 256;

type Line = { generation: number } | 'sealed' | IndexRecord;

interface Slot {
  journal: Journal;
  /** 0 for one that does not count. */
  generation: number;
  records: IndexRecord[];
}

/**
 * Runs `job` with the index while no other tab changes it. What it gives to `append` is on the disk, all or nothing for
 * each call, when that returns.
 */
export async function withIndex<T>(directory: Directory, job: (index: StoreIndex, append: (...records: IndexRecord[]) => void) => T | Promise<T>): Promise<T> {
  return withLock(LOCK, async () => {
    const slots: Slot[] = [];
    try {
      for (const name of NAMES) slots.push(readSlot(new Journal(await directory.handle(name))));
      const [first, second] = slots as [Slot, Slot];
      const [current, other] = first.generation >= second.generation ? [first, second] : [second, first];
      const index = new StoreIndex();
      for (const record of current.records) index.apply(record);
      const live = index.records();
      const target = current.generation === 0 || current.records.length > live.length + SLACK ? rewrite(other, live, current) : current;
      return await job(index, (...records) => {
        if (records.length === 0) return;
        target.journal.append(...records);
        for (const record of records) index.apply(record);
      });
    } finally {
      for (const { journal } of slots) journal.close();
    }
  });
}

function readSlot(journal: Journal): Slot {
  const [first, ...lines] = journal.read() as Line[];
  const isOurs = typeof first === 'object' && first !== null && 'generation' in first && lines.includes('sealed');
  if (!isOurs) return { journal, generation: 0, records: [] };
  return { journal, generation: first.generation, records: lines.filter((line): line is IndexRecord => typeof line === 'object' && line !== null) };
}

/** @returns the slot that counts from now on */
function rewrite(slot: Slot, live: IndexRecord[], old: Slot): Slot {
  slot.journal.clear();
  const lines: Line[] = [{ generation: old.generation + 1 }, ...live, 'sealed'];
  slot.journal.append(...lines);
  old.journal.clear();
  return slot;
}
