// What a page downloads, against scripts/size-budget.json: a first chat with each build of the engine, what each other entry point
// adds, and a first visit of the chat app. Prints the sizes, as `make size` does.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { countOthers } from '../../scripts/size-others.mjs';
import { countSite } from '../../scripts/size-site.mjs';
import { builds, count, countOnDemand } from '../../scripts/size.mjs';
import { projectRoot } from '../server/serve.mjs';

/** The most that a first chat may ever be allowed, in bytes of brotli. */
const ceiling = 1_000_000;
const budget = JSON.parse(readFileSync(join(projectRoot, 'scripts/size-budget.json'), 'utf8'));

test('the budgets themselves are no larger than was promised', () => {
  for (const bytes of [budget.brotliBytes, budget.site.brotliBytes]) assert.ok(bytes > 0 && bytes <= ceiling, `${bytes}`);
  const { exports } = JSON.parse(readFileSync(join(projectRoot, 'pkg/package.json'), 'utf8'));
  const entries = Object.keys(exports).filter((name) => exports[name].types && name !== '.').map((name) => name.replace('.', 'pagelm'));
  assert.deepEqual(Object.keys(budget.others), entries, 'every entry point has a budget');
});

for (const build of builds) test(`a first chat with the build ${build}`, () => count(build));

test('what is fetched when it is first needed', () => countOnDemand());

test('what the other entry points add', () => countOthers());

test('a first visit of the chat app', () => countSite());

test('what is too large is noticed', () => {
  assert.throws(() => count(builds[0], { brotliBytes: 1000 }), /over the budget of 1000/);
  assert.throws(() => countOthers({ ...budget.others, 'pagelm/openai': { file: 'pkg/dist/openai.js', brotliBytes: 10 } }), /pagelm\/openai is \d+ bytes over/);
  assert.throws(() => countOnDemand({ 'pkg/dist/wasm/pagelm_grammar.wasm': { for: 'a grammar', brotliBytes: 1000 } }), /over its budget of 1000/);
  assert.throws(() => countSite(1000), /over its budget of 1000/);
});
