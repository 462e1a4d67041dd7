/** Which bytes of a file are there: sorted, apart from each other, each from `start` to before `end`. */
export interface Range {
  start: number;
  end: number;
}

/** `ranges` and one more. */
export function withRange(ranges: readonly Range[], added: Range): Range[] {
  const apart = ranges.filter(({ start, end }) => end < added.start || start > added.end);
  const touching = ranges.filter(({ start, end }) => end >= added.start && start <= added.end);
  const merged = {
    start: Math.min(added.start, ...touching.map(({ start }) => start)),
    end: Math.max(added.end, ...touching.map(({ end }) => end)),
  };
  return [...apart, merged].sort((a, b) => a.start - b.start);
}

/** What lacks in a file of `total` bytes. */
export function missingIn(ranges: readonly Range[], total: number): Range[] {
  const missing: Range[] = [];
  let at = 0;
  for (const { start, end } of ranges) {
    if (start > at) missing.push({ start: at, end: Math.min(start, total) });
    at = Math.max(at, end);
  }
  if (at < total) missing.push({ start: at, end: total });
  return missing;
}

export function bytesIn(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

export function covers(ranges: readonly Range[], start: number, end: number): boolean {
  return ranges.some((range) => range.start <= start && range.end >= end);
}

/** The same bytes, in ranges of at most `most`. */
export function cut(ranges: readonly Range[], most: number): Range[] {
  return ranges.flatMap(({ start, end }) =>
    Array.from({ length: Math.ceil((end - start) / most) }, (_, i) => ({ start: start + i * most, end: Math.min(start + (i + 1) * most, end) })));
}
