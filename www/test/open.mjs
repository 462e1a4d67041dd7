// The page as a test gets it: the site of scripts/site.mjs in a folder of its own, a server, Chromium, and an ear for
// everything that should not be there.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchChromium } from '../../scripts/browser.mjs';
import { buildSite, sitePolicy, siteRoots } from '../../scripts/site.mjs';
import { projectRoot, serve } from '../../tests/server/serve.mjs';

export const defaultModel = JSON.parse(readFileSync(join(projectRoot, 'www/default-model.json'), 'utf8'));
export const modelFile = join(projectRoot, 'models', defaultModel.file);
/** For loading and answering on a busy machine, in ms. */
export const patience = 120_000;
export const phone = { width: 360, height: 740 };
export const desktop = { width: 1280, height: 800 };

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {Awaited<ReturnType<typeof openSite>>} Site */

/**
 * @param {{ isolated?: boolean, webgpu?: boolean, model?: import('../../scripts/site.mjs').ModelPlace }} [options]  isolated: the host
 *   sends the headers that threads need
 */
export async function openSite({ isolated = true, webgpu = false, model } = {}) {
  const folder = buildSite(mkdtempSync(join(tmpdir(), 'pagelm-site-')), { model });
  const server = await serve({ roots: siteRoots(folder), policy: sitePolicy, isolated });
  const browser = await launchChromium({ webgpu });
  return {
    folder,
    server,
    browser,
    async close() {
      await browser.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * A page with a store of its own. `check` fails if it complained, or asked another host for anything.
 * @param {Site} site
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function openPage({ browser, server }, options) {
  // where the service worker is not what is tested, its own requests would only blur the log
  const context = await browser.newContext({ viewport: phone, serviceWorkers: 'block', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const elsewhere = [];
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(error.message));
  context.on('request', (request) => {
    if (!/^(?:blob|data):/.test(request.url()) && !request.url().startsWith(server.origin)) elsewhere.push(request.url());
  });
  await page.goto(server.origin);
  return {
    page,
    context,
    complaints,
    async close() {
      await context.close();
      assert.deepEqual(elsewhere, [], 'requests to other hosts');
    },
  };
}

/** @param {Page} page */
export async function loadDefault(page) {
  await page.check('[name=backend][value=cpu]');
  await page.click('#load-default');
  await page.waitForSelector('#prompt:visible', { timeout: patience });
}

/** @param {Page} page @param {Record<string, string>} settings  by the ids of their fields */
export async function set(page, settings) {
  await page.click('#open-settings');
  for (const [id, value] of Object.entries(settings)) await page.fill(`#${id}`, value);
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#settings'), 'Escape closes the settings');
}

/** Waits for the n-th answer to be complete. @param {Page} page @param {number} n */
export const answered = (page, n) => page.waitForFunction(
  (count) => document.querySelectorAll('.turn.model .note:not(:empty)').length === count, n, { timeout: patience });

/** @param {Page} page */
export const fitsTheScreen = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

/**
 * Conversations as an export has them, for tests that need no model.
 * @param {{ id: string, title?: string, messages: object[], model?: object }[]} conversations
 */
export const exportFile = (conversations) => ({
  name: 'chats.json',
  mimeType: 'application/json',
  buffer: Buffer.from(JSON.stringify({
    format: 'pagelm-conversations',
    version: 1,
    conversations: conversations.map((conversation, index) => ({ title: '', created: index, updated: index, ...conversation })),
  })),
});
