// usage: node tests/lighthouse/run.mjs [--visits=3]
//
// Lighthouse on the chat app and the benchmark page as a first visit finds them, on a simulated phone and on a desktop: prints
// the scores of each category and what points are lost for, of the visit in the middle. Fails below 95. Nothing else should be
// running: the phone is this machine with its clock divided by four. The index is Lighthouse's own of how fast the machine was
// in those moments; below 1000, as it says itself, the figures are those of a slower phone than it means.
// Lighthouse is installed on the first run: nothing else needs it, and it is larger than all that the tests install.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchChromium } from '../../scripts/browser.mjs';
import { buildSite, sitePolicy, siteRoots } from '../../scripts/site.mjs';
import { serve } from '../server/serve.mjs';

const least = 95;
const visits = Number(process.argv.find((argument) => argument.startsWith('--visits='))?.split('=')[1] ?? 3);
const categories = ['performance', 'accessibility', 'best-practices'];
const pages = { chat: '/', benchmark: '/bench.html' };

const here = import.meta.dirname;
if (!existsSync(join(here, 'node_modules/lighthouse'))) {
  console.error('lighthouse: npm ci in tests/lighthouse');
  execFileSync('npm', ['ci', '--ignore-scripts', '--prefix', here], { stdio: ['ignore', 'ignore', 'inherit'] });
}
const { default: lighthouse, desktopConfig } = await import('lighthouse');
const devices = { phone: undefined, desktop: desktopConfig }; // without a configuration it plays a phone on a slow network

/** @typedef {NonNullable<Awaited<ReturnType<typeof lighthouse>>>['lhr']} Result */

/** A visit by somebody who has never been here: a browser of its own. @param {string} url @param {typeof devices[keyof typeof devices]} config */
async function visit(url, config) {
  const port = await freePort();
  const browser = await launchChromium({ webgpu: false, args: [`--remote-debugging-port=${port}`] });
  try {
    const run = await lighthouse(url, { port, onlyCategories: categories, logLevel: 'error' }, config);
    if (!run) throw new Error(`Lighthouse gave no result for ${url}`);
    return run.lhr;
  } finally {
    await browser.close();
  }
}

/** The one in the middle of several. @param {string} url @param {typeof devices[keyof typeof devices]} config */
async function middleVisit(url, config) {
  const results = [];
  let lost = 0;
  while (results.length < visits) {
    const result = await visit(url, config);
    if (!result.runtimeError) results.push(result);
    // of a busy machine the browser's recording sometimes has no beginning; Lighthouse says to run it again
    else if (++lost > visits) throw new Error(`${url}: ${result.runtimeError.message}`);
  }
  /** @param {Result} result */
  const speed = ({ categories: { performance } }) => performance.score ?? 0;
  return results.toSorted((a, b) => speed(a) - speed(b))[results.length >> 1];
}

/** Prints what was found. @param {string} name @param {Result} result @returns {string[]} the categories that are too low */
function report(name, { categories: found, audits, environment }) {
  /** @param {string} id */
  const score = (id) => Math.round((found[id].score ?? 0) * 100);
  const times = ['first-contentful-paint', 'largest-contentful-paint', 'total-blocking-time', 'cumulative-layout-shift'];
  console.log(`${name}: ${categories.map((id) => `${id} ${score(id)}`).join(', ')} (index ${environment.benchmarkIndex})`);
  console.log(`  ${times.map((id) => `${audits[id].title} ${audits[id].displayValue?.replaceAll('\u00a0', ' ')}`).join(', ')}`);
  for (const id of categories) {
    const lost = found[id].auditRefs.filter((ref) => ref.weight > 0 && (audits[ref.id].score ?? 1) < 1);
    for (const ref of lost) console.log(`  ${id} loses by ${ref.id}: ${audits[ref.id].score}, ${audits[ref.id].title}`);
  }
  return categories.filter((id) => score(id) < least).map((id) => `${name}: ${id} ${score(id)}`);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
      probe.close(() => resolve(port));
    });
  });
}

const site = buildSite(mkdtempSync(join(tmpdir(), 'pagelm-lighthouse-')));
const server = await serve({ roots: siteRoots(site), policy: sitePolicy });
const low = [];
try {
  for (const [page, path] of Object.entries(pages)) {
    for (const [device, config] of Object.entries(devices)) {
      low.push(...report(`${page}, ${device}`, await middleVisit(server.origin + path, config)));
    }
  }
} finally {
  await server.close();
  rmSync(site, { recursive: true, force: true });
}
if (low.length) {
  console.error(`error: below ${least}: ${low.join('; ')}`);
  process.exitCode = 1;
}
