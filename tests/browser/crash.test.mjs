// Kills the browser at random moments while it downloads, completes and removes models, again and again on one profile: the
// store is valid every time. PAGELM_KILLS says how often, 10 by default; `make crash` does it 50 times.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { findChromium } from '../../scripts/browser.mjs';
import { serve } from '../server/serve.mjs';
import { missing, roots } from './browsers.mjs';
import { random } from './gguf.js';
import { tinyModel } from './paths.mjs';
import { bytesOf, read, spread } from './reshape.js';

const kills = Number(process.env.PAGELM_KILLS ?? 10);
const seed = Number(process.env.PAGELM_SEED ?? Date.now() % 1e6);
const model = spread(read(readFileSync(tinyModel('llama-bpe-q4_0-ropefreqs-tied').file)), 5, 20 * 2 ** 20);
const sha256 = createHash('sha256').update(bytesOf(model, 0, model.size)).digest('hex');

/** @param {number} pid  of a process, or the negative one of a group */
function isThere(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A Chromium on `profile` that can be killed. @param {string} profile */
async function start(profile) {
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
  // a group of its own, so that all of its processes end with it
  const child = spawn(findChromium(), [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  const exited = new Promise((resolve) => { child.once('exit', resolve); });
  const kill = async () => {
    try {
      process.kill(-(/** @type {number} */ (child.pid)), 'SIGKILL');
    } catch { /* it has ended */ }
    await exited;
    // the others of its group may take a moment longer, and still write to the profile
    for (let tries = 0; tries < 100 && isThere(-(/** @type {number} */ (child.pid))); tries += 1) await sleep(20);
  };
  try {
    const address = await new Promise((resolve, reject) => {
      let text = '';
      child.stderr.on('data', (data) => { text += data; const found = /DevTools listening on (\S+)/.exec(text); if (found) resolve(found[1]); });
      exited.then(() => reject(new Error(`the browser ended: ${text}`)));
    });
    const browser = await chromium.connectOverCDP(address);
    const page = await (browser.contexts()[0] ?? await browser.newContext()).newPage();
    return { page, kill };
  } catch (error) {
    await kill();
    throw error;
  }
}

test(`the store survives ${kills} kills (seed ${seed})`, { skip: missing('chromium'), timeout: 60_000 + kills * 30_000 }, async (t) => {
  const server = await serve({ roots, strict: false });
  server.files.set('/made/m.gguf', { ...model, etag: '"m"' });
  const profile = mkdtempSync(join(tmpdir(), 'pagelm-crash-'));
  const next = random(seed);
  /** @type {Record<string, number>} */
  const found = { nothing: 0, unfinished: 0, complete: 0 };
  let running = await start(profile);
  t.after(async () => {
    await running.kill();
    await server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });

  for (let count = 0; count <= kills; count += 1) {
    await running.page.goto(`${server.origin}/blank.html`);
    // what the last kill has left: every complete file has the bytes of its name, every model its files
    const left = await running.page.evaluate(`import('/browser/crash-page.js').then((page) => page.examine())`);
    assert.deepEqual(left.wrong, [], `after kill ${count}`);
    found[left.models > 0 ? 'complete' : left.unfinished > 0 ? 'unfinished' : 'nothing'] += 1;
    if (count === kills) break;
    server.faults.push({ path: '/made/m.gguf', delayMs: Math.floor(next() * 8) });
    running.page.evaluate(`import('/browser/crash-page.js').then((page) => page.churn())`).catch(() => {}); // it is killed
    await sleep(200 + next() * 2500);
    await running.kill();
    server.faults.length = 0;
    running = await start(profile);
  }
  const before = server.requests.length;
  const final = await running.page.evaluate(`import('/browser/crash-page.js').then((page) => page.settle())`);
  assert.deepEqual(final, { ids: [sha256], ok: true, fromCache: true });
  assert.ok(server.requests.length >= before);
  console.log(`  ${kills} kills, seed ${seed}; then there was ${JSON.stringify(found)}`);
  assert.ok(kills < 10 || found.unfinished + found.complete > 0, 'no kill hit a download');
});
