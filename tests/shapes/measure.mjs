// One model in a Chromium of its own, and what that took.
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { findChromium } from '../../scripts/browser.mjs';
import { projectRoot, serve } from '../server/serve.mjs';
import { folder } from './write.mjs';

/**
 * @typedef {object} Measured  bytes and milliseconds
 * @property {any} [inspection]
 * @property {any} [info]
 * @property {{ code: string, message: string }} [error]
 * @property {number[]} [tokens]
 * @property {any} [timings]
 * @property {any} [token]    what the last one asked of the GPU
 * @property {boolean} [finite]  all logits are
 * @property {number} [loadMs]
 * @property {number} heap      of WebAssembly
 * @property {number} jsHeap    of the worker at its largest, as seen every 100 ms
 * @property {number} gpuPeak   of all buffers that were created and not destroyed
 * @property {number} gpuLargest
 * @property {number} rendererPeak  resident in the renderer's process
 * @property {number} sent      by the server for loading
 * @property {number} inspected  by the server for inspecting
 * @property {number} inspections  requests for inspecting
 */

const PROTOCOL_MS = 30 * 60_000;
const POLL_MS = 100;

/** The package with the meter in front of its worker. */
function meteredPackage() {
  const copy = join(folder, 'dist');
  rmSync(copy, { recursive: true, force: true });
  cpSync(join(projectRoot, 'pkg/dist'), copy, { recursive: true });
  cpSync(join(import.meta.dirname, 'meter.js'), join(copy, 'meter.js'));
  const worker = join(copy, 'worker.js');
  writeFileSync(worker, `import './meter.js';\n${readFileSync(worker, 'utf8')}`);
  return copy;
}

/** Most bytes that any renderer of the browser ever had resident. @param {number} browser  its process */
function rendererPeak(browser) {
  let most = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const arguments_ = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      if (!arguments_.includes('--type=renderer') || !descends(pid, browser)) continue;
      const kib = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
      most = Math.max(most, Number(kib?.[1] ?? 0) * 1024);
    } catch {
      // it has ended
    }
  }
  return most;
}

/** @param {string} pid @param {number} ancestor */
function descends(pid, ancestor) {
  for (let at = Number(pid); at > 1; ) {
    if (at === ancestor) return true;
    at = Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${at}/status`, 'latin1'))?.[1] ?? 0);
  }
  return false;
}

/** Looks at the worker's JavaScript heap until it is stopped. @param {import('puppeteer-core').Page} page */
function watchHeap(page) {
  let most = 0;
  const timer = setInterval(async () => {
    for (const worker of page.workers()) {
      const usage = await worker.client.send('Runtime.getHeapUsage').catch(() => undefined);
      most = Math.max(most, usage?.usedSize ?? 0);
    }
  }, POLL_MS);
  return { stop: () => clearInterval(timer), most: () => most };
}

/**
 * @param {string} path  of the model
 * @param {{ options: any, prompt?: number[], maxTokens?: number }} wanted
 * @returns {Promise<Measured>}
 */
export async function measure(path, { options, prompt = [5, 7], maxTokens = 2 }) {
  const server = await serve({ roots: { '/': 'www', '/shapes/': 'tests/shapes', '/dist/': meteredPackage(), '/file/': dirname(path) } });
  const browser = await puppeteer.launch({
    executablePath: findChromium(),
    protocolTimeout: PROTOCOL_MS,
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--enable-unsafe-webgpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/blank.html`);
    const url = `/file/${path.slice(dirname(path).length + 1)}`;
    const inPage = (/** @type {'look' | 'attempt'} */ name, /** @type {any} */ args) =>
      page.evaluate(async (name, args) => (await import(`${location.origin}/shapes/page.js`))[name](args), name, args);
    const asked = () => server.requests.filter((request) => request.path === url);
    const bytesOf = (/** @type {ReturnType<typeof asked>} */ requests) => requests.reduce((total, { bytes }) => total + bytes, 0);
    const inspection = await inPage('look', { url, contextLength: options.contextLength });
    const looked = asked();
    const inspected = bytesOf(looked);
    const watch = watchHeap(page);
    const outcome = await inPage('attempt', { url, options, prompt, maxTokens });
    watch.stop();
    const meter = await page.workers()[0]?.evaluate(() => /** @type {any} */ (globalThis).pagelmMeter()).catch(() => undefined); // it ends with a refusal
    return {
      heap: 0, gpuPeak: 0, gpuLargest: 0, inspection, ...outcome, ...meter, jsHeap: watch.most(), rendererPeak: rendererPeak(browser.process()?.pid ?? 0),
      sent: bytesOf(asked().slice(looked.length)), inspected, inspections: looked.length,
    };
  } finally {
    await browser.close();
    await server.close();
  }
}
