// Every screen of the pages, one after the other, for the accessibility test and for scripts/screenshot.mjs.
import { answered, defaultModel, loadDefault, patience, set } from './open.mjs';
import { benchReport, conversations } from './samples.mjs';

/** @typedef {import('./open.mjs').Page} Page */

/** Each screen goes on from the one before. @type {[string, (page: Page, site: import('./open.mjs').Site) => Promise<unknown>][]} */
export const screens = [
  ['library', (page) => page.waitForSelector('.family')],
  ['error', async (page) => {
    await page.fill('#address', 'ftp://nowhere');
    await page.press('#address', 'Enter');
    await page.waitForSelector('#error:visible');
  }],
  ['loading', async (page, site) => {
    await page.click('#error-close');
    site.server.faults.push({ path: /\.gguf$/, delayMs: 60 });
    await page.click('#load-default');
    await page.waitForFunction(() => /left$/.test(document.querySelector('#pace')?.textContent ?? ''));
  }],
  ['unfinished', async (page, site) => {
    await page.click('#cancel');
    await page.waitForSelector('#stored-list .unfinished');
    site.server.faults.length = 0;
    await page.locator('#stored').scrollIntoViewIfNeeded();
  }],
  ['chat', async (page) => {
    await page.setInputFiles('#import', conversations);
    await page.waitForSelector('#conversations li', { state: 'attached' });
    await page.click('#notice-close');
    const menu = page.locator('#menu');
    if (await menu.isVisible()) await menu.click();
    await page.locator('#conversations .open').first().click();
    await page.waitForSelector('.hljs-keyword');
    await page.evaluate(() => scrollTo(0, 0));
  }],
  ['thoughts', (page) => page.click('.thoughts summary')],
  ['drawer', async (page) => {
    const menu = page.locator('#menu');
    if (await menu.isVisible()) await menu.click();
    await page.waitForTimeout(300); // it slides in
  }],
  ['notice', async (page) => {
    await page.getByRole('button', { name: /^Delete/ }).last().click();
    await page.waitForSelector('#notice:visible');
  }],
  ['settings', async (page) => {
    const close = page.locator('#close-menu');
    if (await close.isVisible()) await close.click();
    await page.click('#open-settings');
  }],
  ['bench', async (page, site) => {
    await page.goto(`${site.server.origin}/bench.html`);
    await page.waitForFunction(() => (document.querySelector('#model')?.childElementCount ?? 0) > 10);
    await page.waitForSelector('#machine dd');
  }],
  ['bench results', async (page) => {
    await page.setInputFiles('#import', benchReport);
    await page.waitForSelector('.chart');
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  }],
];

/** With a model, which takes a while. @type {typeof screens} */
export const liveScreens = [
  ['ready', (page) => loadDefault(page)],
  ['answer', async (page) => {
    await set(page, { 'max-tokens': '24', temperature: '0' });
    await page.fill('#prompt', 'What is the capital of France?');
    await page.press('#prompt', 'Enter');
    await answered(page, 1);
  }],
  ['facts', (page) => page.click('#about summary')],
  ['edit', async (page) => {
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Edit' }).click();
  }],
  ['stored', async (page) => {
    await page.click('#change-model');
    await page.waitForSelector('#stored-list li');
    await page.locator('#stored').scrollIntoViewIfNeeded();
  }],
  ['inspection', async (page, site) => {
    await page.fill('#address', `${site.server.origin}/models/${defaultModel.file}`);
    await page.click('#inspect');
    await page.waitForFunction(() => document.querySelector('#inspection-facts')?.childElementCount, undefined, { timeout: patience });
    await page.locator('#inspection').scrollIntoViewIfNeeded();
  }],
];
