// Puts together what the tests measured, tests/out/measured/*/*.jsonl: one table a kind of thing, with the worst error of each
// on each backend. Fails where a number is missing, or is none.
//   node scripts/table.mjs
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { measuredFolder } from '../tests/browser/measured.mjs';

/** @typedef {import('../tests/browser/measured.mjs').Line} Line */

/** Every backend that has to be there; others follow in the order in which they are found. */
const BACKENDS = ['reference', 'WGSL native', 'Chromium cpu', 'Firefox cpu', 'WebKit cpu', 'Chromium webgpu', 'Firefox webgpu'];
/** What is printed of each kind. */
const TABLES = /** @type {const} */ ([
  {
    kind: 'type',
    whats: ['matmul', 'embed'],
    least: 29,
    title: 'tensor types: matmul / embed, relative to the largest output (the reference: to ggml\'s values; others: to the reference)',
  },
  {
    kind: 'architecture',
    whats: ['logits', 'scores'],
    least: 14,
    title: 'architectures, tiny models: log-probabilities after a prompt, to float64 / of each token, to llama.cpp on float32 weights',
  },
  {
    kind: 'model',
    whats: ['logits', 'scores'],
    least: 2,
    title: 'models: log-probabilities of the ten most likely ids, to llama.cpp on float32 weights / of each token, to float64',
  },
  { kind: 'model', whats: ['greedy'], least: 2, title: 'models: greedy ids that are equal to llama.cpp\'s', counts: true },
]);

/** @returns {Line[]} */
function read() {
  if (!existsSync(measuredFolder)) return [];
  const files = readdirSync(measuredFolder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jsonl')).sort();
  return files.flatMap((name) => readFileSync(join(measuredFolder, name), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)));
}

/** @param {Line} line */
const place = ({ kind, name, what, backend }) => JSON.stringify([kind, name, what, backend]);

/**
 * The worst of each place; what is no number is worse than all numbers.
 * @param {Line[]} lines
 */
function worst(lines) {
  const cells = new Map();
  for (const line of lines) {
    const before = cells.get(place(line)) ?? { worst: 0, count: 0 };
    const isNumber = Number.isFinite(line.worst) && line.worst >= 0;
    cells.set(place(line), { worst: isNumber ? Math.max(before.worst, line.worst) : NaN, count: before.count + line.count });
  }
  return cells;
}

/** @param {number} error */
const short = (error) => (error === 0 ? '0' : error.toExponential(1));

/**
 * The table as text, and what is missing in it.
 * @param {typeof TABLES[number]} table @param {Line[]} lines
 */
function print({ kind, whats, least, title, ...more }, lines) {
  const cells = worst(lines);
  const own = lines.filter((line) => line.kind === kind);
  const backends = [...new Set([...BACKENDS, ...own.map((line) => line.backend)])];
  const names = [...new Set(own.map((line) => line.name))].sort();
  const missing = names.length >= least ? [] : [`${names.length} rows of kind ${kind}; at least ${least} are needed`];
  /** @param {string} name @param {string} backend */
  const cell = (name, backend) => whats.map((what) => {
    const found = cells.get(place({ kind, name, what, backend, worst: 0, count: 0 }));
    if (found && found.count > 0 && Number.isFinite(found.worst)) return 'counts' in more ? String(found.count) : short(found.worst);
    missing.push(`${name}, ${what}, ${backend}: ${found ? `worst ${found.worst} of ${found.count}` : 'nothing was measured'}`);
    return '???';
  }).join(' / ');
  const rows = [['', ...backends], ...names.map((name) => [name, ...backends.map((backend) => cell(name, backend))])];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const text = rows.map((row) => row.map((field, column) => field.padEnd(widths[column])).join('  ').trimEnd()).join('\n');
  return { text: `${title}\n${text}\n`, missing };
}

const lines = read();
const tables = TABLES.map((table) => print(table, lines));
console.log(`The worst error in each cell.\n\n${tables.map(({ text }) => text).join('\n')}`);
const missing = tables.flatMap((table) => table.missing);
if (missing.length) {
  console.log(`${missing.length} cells are missing or no number; FORCE=1 scripts/test.sh measures all again\n  ${missing.join('\n  ')}`);
  process.exitCode = 1;
}
