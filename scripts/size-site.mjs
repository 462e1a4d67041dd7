// What a first visit of the chat app downloads by the time it works without a network: every file that its service worker keeps,
// one build of the engine among them, and the service worker itself, against the budget in size-budget.json. A model is not in it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../tests/server/serve.mjs';
import { buildSite, keptFiles } from './site.mjs';
import { row, sizes } from './size.mjs';

const budget = JSON.parse(readFileSync(new URL('size-budget.json', import.meta.url), 'utf8'));

/** What each file belongs to: the first pattern that fits. @type {[string, RegExp][]} */
const groups = [
  ['the engine\'s scripts', /^pkg\/.*\.js$/],
  ['its WebAssembly, the build that is kept first', /^pkg\//],
  ['libraries of the page', /^lib\//],
  ['icons', /\.(?:png|svg)$/],
  ['the benchmark page alone', /^(?:bench[\w-]*|measure|report|chart)\./],
  ['the page and its service worker', /./],
];

/**
 * Every file of a first visit by a browser with relaxed SIMD, as www/sw.js has it; a test of the app holds it against what is
 * requested. One without it gets the baseline build instead, which is smaller.
 * @param {string} folder  the site
 */
export function firstVisitFiles(folder) {
  const later = [budget.builds.baseline, budget.builds.threads];
  return [...keptFiles(folder).filter((path) => !later.includes(path)), 'sw.js'];
}

/** Prints the sums of each group; fails above the budget. @param {number} [limit]  in bytes of brotli */
export function countSite(limit = budget.site.brotliBytes) {
  const folder = mkdtempSync(join(tmpdir(), 'pagelm-size-'));
  try {
    const sums = groups.map(([name]) => ({ name, count: 0, raw: 0, brotli: 0 }));
    const files = firstVisitFiles(buildSite(folder));
    for (const path of files) {
      const sum = sums[groups.findIndex(([, pattern]) => pattern.test(path))];
      // the engine lies in the site as it was built, where it has been measured already
      const { raw, brotli } = sizes(join(path.startsWith('pkg/') ? projectRoot : folder, path));
      sum.count += 1;
      sum.raw += raw;
      sum.brotli += Math.min(raw, brotli); // pictures are sent as they are
    }
    row('raw', 'brotli', 'first visit of the chat app, until it works without a network');
    for (const { name, count, raw, brotli } of sums) row(raw, brotli, `${name}: ${count} files`);
    const total = (/** @type {'raw' | 'brotli'} */ key) => sums.reduce((all, sum) => all + sum[key], 0);
    row(total('raw'), total('brotli'), `all ${files.length}; the budget is ${limit}`);
    if (total('brotli') > limit) {
      throw new Error(`a first visit of the app is ${total('brotli') - limit} bytes over its budget of ${limit} in scripts/size-budget.json`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
