// The three browser engines behind one small interface.
//
//   const session = await open({ engine: 'firefox', isolated: true, webgpu: false });
//   await session.evaluate(async ({ url }) => (await import('/pkg/dist/index.js')).load(url), { url });
//   session.server.requests      // what the page asked for, see tests/server/serve.mjs
//   await session.close();
//
// Chromium by Playwright, Firefox by Puppeteer (WebDriver BiDi), WebKitGTK by WebDriver over HTTP (webkit.mjs).
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findChromium, launchChromium } from '../../scripts/browser.mjs';
import { serve } from '../server/serve.mjs';
import { launchWebKit, webkitMissing } from './webkit.mjs';

/** @typedef {'chromium' | 'firefox' | 'webkit'} EngineName */
/**
 * @typedef {object} Page
 * @property {(url: string) => Promise<unknown>} goto
 * @property {<A, R>(fn: (args: A) => R, args: A) => Promise<Awaited<R>>} evaluate  `fn` crosses as text: it sees
 *   nothing but its one argument, and both ways are JSON, which turns NaN and infinities into null
 * @property {(origin: string, bytes: number) => Promise<unknown>} [setQuota]
 * @property {() => Promise<void>} close
 */
/** @typedef {Page & { server: import('../server/serve.mjs').Server, origin: string }} Session */

/** A page may think for this long; slower than anything that is tested. */
export const EVALUATE_MS = 600_000;

/** Where things are for every page: the package, these tests' own modules, the golden models, the real one. */
export const roots = { '/': 'www', '/pkg/': 'pkg', '/browser/': 'tests/browser', '/goldens/': 'tests/goldens', '/models/': 'models' };

/** Whether a browser that is not there fails the tests. */
const mustHave = ['CI', 'PAGELM_REQUIRE_BROWSERS', 'PAGELM_REQUIRE_BROWSER'].some((name) => !['', '0', 'false'].includes(process.env[name] ?? ''));

/**
 * For the option `skip` of a test: false, or what is missing. Throws instead where no browser may be missing.
 * @param {EngineName} engine
 */
export function missing(engine) {
  const what = whatIsMissing(engine);
  if (what === undefined) return false;
  if (mustHave) throw new Error(`${what}; run "make setup"`);
  console.error(`\n*** NOT TESTED in ${engine}: ${what} ***\n`);
  return what;
}

/** @param {EngineName} engine */
function whatIsMissing(engine) {
  if (engine === 'webkit') return webkitMissing();
  if (engine === 'firefox') return firefoxProgram() === undefined ? 'no Firefox was found' : undefined;
  try {
    findChromium();
    return undefined;
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}

/**
 * A server, a browser and a page on an empty document of that server.
 *
 * @param {object} options
 * @param {EngineName} options.engine
 * @param {boolean} [options.isolated]  cross-origin isolated: COOP and COEP
 * @param {boolean} [options.webgpu]    WebGPU, by a software adapter if need be
 * @param {boolean} [options.strict]    with a content security policy that lets the page talk to its own server only
 * @param {Record<string, string>} [options.serves]  the server's roots
 * @param {string} [options.path]       the page
 * @param {number} [options.quota]      bytes that the origin may store, about
 * @param {string} [options.policy]     the content security policy, where it is not the server's
 * @returns {Promise<Session>}
 */
export async function open({ engine, isolated = true, webgpu = false, strict = true, serves = roots, path = '/blank.html', quota, policy }) {
  const server = await serve({ roots: serves, isolated, strict, ...(policy === undefined ? {} : { policy }) });
  try {
    const page = await launch[engine](webgpu, quota);
    try {
      await page.goto(server.origin + path);
      if (quota !== undefined) await page.setQuota?.(server.origin, quota);
    } catch (error) {
      await page.close();
      throw error;
    }
    return {
      ...page,
      server,
      origin: server.origin,
      async close() {
        await page.close();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/**
 * A call as text, with its answer as JSON: the drivers' own ideas of values differ.
 * @param {Function} fn @param {unknown} args
 */
const expression = (fn, args) => `Promise.resolve((${fn})(${JSON.stringify(args ?? null)})).then((value) => JSON.stringify({ value }))`;

/**
 * A page of Playwright's or Puppeteer's.
 * @param {any} page @param {() => Promise<void>} close @returns {Page}
 */
export function pageOf(page, close) {
  page.setDefaultTimeout(EVALUATE_MS);
  return {
    goto: (url) => page.goto(url),
    evaluate: async (fn, args) => JSON.parse(await page.evaluate(expression(fn, args))).value,
    close,
  };
}

/** @type {Record<EngineName, (webgpu: boolean, quota?: number) => Promise<Page>>} */
const launch = {
  async chromium(webgpu, quota) {
    // without the flag it tells pages of a quota that is always 10 GiB away
    const browser = await launchChromium({ webgpu, args: quota === undefined ? [] : ['--disable-features=StaticStorageQuota'] });
    const page = await browser.newPage();
    const setQuota = async (/** @type {string} */ origin, /** @type {number} */ bytes) =>
      (await page.context().newCDPSession(page)).send('Storage.overrideQuotaForOrigin', { origin, quotaSize: bytes });
    return { ...pageOf(page, () => browser.close()), setQuota };
  },

  async firefox(webgpu, quota) {
    const { default: puppeteer } = await import('puppeteer-core');
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: /** @type {string} */ (firefoxProgram()),
      protocolTimeout: EVALUATE_MS,
      extraPrefsFirefox: {
        'dom.webgpu.enabled': webgpu,
        'dom.webgpu.workers.enabled': webgpu,
        'gfx.webgpu.ignore-blocklist': webgpu,
        // of all origins, in KiB; one may have a fifth of it, and 10 MB at least
        ...(quota !== undefined && { 'dom.quotaManager.temporaryStorage.fixedLimit': Math.ceil(quota / 1024) }),
      },
      env: { ...process.env, ...softwareVulkan() },
    });
    return pageOf(await browser.newPage(), () => browser.close());
  },

  webkit: () => launchWebKit(EVALUATE_MS),
};

/** $FIREFOX, or the first one in PATH. */
function firefoxProgram() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = ['firefox-esr', 'firefox'].flatMap((name) => folders.map((folder) => join(folder, name)));
  return [process.env.FIREFOX, ...candidates].find((path) => path && isProgram(path));
}

/** Mesa's software driver where it is installed, so that every machine measures the same adapter. */
function softwareVulkan() {
  const folder = '/usr/share/vulkan/icd.d';
  const file = existsSync(folder) ? readdirSync(folder).find((name) => /^lvp_icd.*\.json$/.test(name)) : undefined;
  return file === undefined ? {} : { VK_ICD_FILENAMES: join(folder, file) };
}

/** @param {string} path */
export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
