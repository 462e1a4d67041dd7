// What tests measured, as lines of JSON that scripts/table.mjs puts together.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../server/serve.mjs';

/** Of what a line is: a tensor type's operations, tiny models of an architecture, or a real model. */
/** @typedef {'type' | 'architecture' | 'model'} Kind */
/** @typedef {{ kind: Kind, name: string, what: string, backend: string, worst: number, count: number }} Line */

/** Where lines are; a stage of scripts/test.sh has a folder. */
export const measuredFolder = join(projectRoot, 'tests/out/measured');

/**
 * Writes the lines of one test, in place of those of its last run.
 * @param {string} stage @param {string} test @param {Line[]} lines
 */
export function writeMeasured(stage, test, lines) {
  const folder = join(measuredFolder, stage);
  mkdirSync(folder, { recursive: true });
  const file = test.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  writeFileSync(join(folder, `${file}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
