// What a page downloads before its first chat: every file that pkg/dist/index.js leads to, by import or by
// new URL(..., import.meta.url), raw and as brotli sends it, for each build of the engine: a page downloads one. Fails above
// the budget in size-budget.json, whose "onDemand" names the files that a first chat does not need, with budgets of their own.
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { projectRoot } from '../tests/server/serve.mjs';
import { countOthers } from './size-others.mjs';
import { countSite } from './size-site.mjs';

const budget = JSON.parse(readFileSync(new URL('size-budget.json', import.meta.url), 'utf8'));

const references = [
  /\b(?:import|export)\b[^'"();]*?\bfrom\s*['"](\.{1,2}\/[^'"]+)['"]/g,
  /\bimport\s*['"](\.{1,2}\/[^'"]+)['"]/g,
  /\bimport\(\s*['"](\.{1,2}\/[^'"]+)['"]/g,
  /\bnew URL\(\s*['"]([^'"]+)['"]\s*,\s*import\.meta\.url\s*\)/g,
];

/** @param {string} file @returns {string[]} the files that it names */
export function referencesOf(file) {
  if (!/\.m?js$/.test(file)) return [];
  // comments show imports as examples
  const source = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  return references.flatMap((pattern) => [...source.matchAll(pattern)].map(([, path]) => resolve(dirname(file), path)));
}

/** @typedef {'baseline' | 'relaxed' | 'threads'} Build */
export const builds = /** @type {Build[]} */ (Object.keys(budget.builds));

/**
 * Every file of a first chat with one of the builds; a test of the chat page holds it against what the page does request.
 * @param {Build} build
 */
export function firstChatFiles(build) {
  const others = builds.filter((other) => other !== build).map((other) => budget.builds[other]);
  const left = [...Object.keys(budget.onDemand), ...others];
  const found = new Set([join(projectRoot, budget.entry)]);
  for (const file of found) {
    for (const next of referencesOf(file)) {
      if (!left.includes(relative(projectRoot, next))) found.add(next);
    }
  }
  const files = [...found];
  if (files.filter((file) => file.endsWith('.wasm')).length !== 1) {
    throw new Error(`${budget.entry} does not lead to one .wasm file of the build ${build}; the walk in scripts/size.mjs misses how it is named`);
  }
  return files;
}

/** @param {Buffer} bytes */
export function brotliSize(bytes) {
  return brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  }).length;
}

/** @type {Map<string, { raw: number, brotli: number }>} */
const known = new Map();

/** @param {string} file */
export function sizes(file) {
  const bytes = readFileSync(file);
  const found = known.get(file) ?? { raw: bytes.length, brotli: brotliSize(bytes) };
  known.set(file, found);
  return found;
}

/** @param {string | number} raw @param {string | number} brotli @param {string} name */
export const row = (raw, brotli, name) => console.log(`${String(raw).padStart(10)} ${String(brotli).padStart(10)}  ${name}`);

/** Prints the files of a first chat; fails above the budget. @param {Build} build @param {{ brotliBytes: number }} [limit] */
export function count(build, { brotliBytes } = budget) {
  const files = firstChatFiles(build);
  row('raw', 'brotli', `file of a page with the build ${build}`);
  let rawSum = 0;
  let brotliSum = 0;
  for (const file of files) {
    const { raw, brotli } = sizes(file);
    row(raw, brotli, relative(projectRoot, file));
    rawSum += raw;
    brotliSum += brotli;
  }
  row(rawSum, brotliSum, `all ${files.length}; the budget is ${brotliBytes}`);
  if (brotliSum > brotliBytes) {
    throw new Error(`${brotliSum - brotliBytes} bytes over the budget of ${brotliBytes} in scripts/size-budget.json; `
      + 'make it smaller, or raise the budget and say why');
  }
}

/** Prints the files that are fetched when they are first needed; fails above a budget. @param {Record<string, { for: string, brotliBytes: number }>} [files] */
export function countOnDemand(files = budget.onDemand) {
  row('raw', 'brotli', 'file that is fetched when it is first needed');
  for (const [file, { for: purpose, brotliBytes }] of Object.entries(files)) {
    const { raw, brotli } = sizes(join(projectRoot, file));
    row(raw, brotli, `${file}, for ${purpose}; the budget is ${brotliBytes}`);
    if (brotli > brotliBytes) throw new Error(`${file} is ${brotli - brotliBytes} bytes over its budget of ${brotliBytes} in scripts/size-budget.json`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    for (const build of builds) count(build);
    countOnDemand();
    countOthers();
    countSite();
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    console.error(`error: ${code === 'ENOENT' ? `${message}; run 'make build' first` : message}`);
    process.exitCode = 1;
  }
}
