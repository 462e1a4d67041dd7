// What the other entry points add to a first chat: every file that they lead to and pkg/dist/index.js does not import,
// against their own budgets in size-budget.json.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { projectRoot } from '../tests/server/serve.mjs';
import { brotliSize, referencesOf, row } from './size.mjs';

const { others, entry: first } = JSON.parse(readFileSync(new URL('size-budget.json', import.meta.url), 'utf8'));

/** Every script that an entry leads to. @param {string} entry */
function scriptsOf(entry) {
  const found = new Set([join(projectRoot, entry)]);
  for (const file of found) {
    for (const next of referencesOf(file)) {
      if (next.endsWith('.js')) found.add(next);
    }
  }
  return found;
}

/** Prints each entry's files; fails above a budget. @param {Record<string, { file: string, brotliBytes: number }>} [entries] */
export function countOthers(entries = others) {
  const known = scriptsOf(first);
  for (const [name, { file: entry, brotliBytes }] of Object.entries(entries)) {
    row('raw', 'brotli', `files that ${name} adds`);
    const sum = { raw: 0, brotli: 0 };
    for (const file of [...scriptsOf(entry)].filter((one) => !known.has(one))) {
      const bytes = readFileSync(file);
      const brotli = brotliSize(bytes);
      row(bytes.length, brotli, relative(projectRoot, file));
      sum.raw += bytes.length;
      sum.brotli += brotli;
    }
    row(sum.raw, sum.brotli, `all of ${name}; the budget is ${brotliBytes}`);
    if (sum.brotli > brotliBytes) throw new Error(`${name} is ${sum.brotli - brotliBytes} bytes over its budget of ${brotliBytes} in scripts/size-budget.json`);
  }
}
