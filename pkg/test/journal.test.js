import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineOf, parseJournal } from '../build/journal.js';

const records = [{ a: 1 }, 'é\n"', { has: [[0, 5]] }];
const bytes = new TextEncoder().encode(records.map(lineOf).join(''));
const lengths = records.map((record) => new TextEncoder().encode(lineOf(record)).length);
const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0));

test('what was written is read', () => {
  assert.deepEqual(parseJournal(bytes), { records, end: bytes.length });
  assert.deepEqual(parseJournal(new Uint8Array()), { records: [], end: 0 });
});

test('any end gives the whole records before it', () => {
  for (let end = 0; end < bytes.length; end += 1) {
    const whole = starts.filter((start, i) => start + lengths[i] <= end).length;
    assert.deepEqual(parseJournal(bytes.subarray(0, end)).records, records.slice(0, whole), `${end} bytes`);
  }
});

test('any changed byte ends it before the record that it is in', () => {
  for (let at = 0; at < bytes.length; at += 1) {
    for (const flip of [1, 32, 255]) {
      const damaged = bytes.slice();
      damaged[at] ^= flip;
      const before = starts.filter((start, i) => start + lengths[i] <= at).length;
      assert.deepEqual(parseJournal(damaged).records, records.slice(0, before), `byte ${at}, ${flip}`);
    }
  }
});
