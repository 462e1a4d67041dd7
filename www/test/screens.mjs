// Every screen of the pages, one after the other, for the accessibility test and for scripts/screenshot.mjs.
import { tinyModel } from '../../tests/browser/paths.mjs';
import { sparseFile } from '../../tests/shapes/write.mjs';
import { answered, defaultModel, loadDefault, patience, set } from './open.mjs';
import { benchReports, conversations } from './samples.mjs';

/** @typedef {import('./open.mjs').Page} Page */

/** Opens the drawer, where it is not beside the page. @param {Page} page */
async function openDrawer(page) {
  const menu = page.locator('#menu');
  if (await menu.isVisible()) await menu.click();
  await page.waitForTimeout(300); // it slides in
}

/** What the page says of itself, without what would have to happen for it. @param {Page} page @param {string} text @param {string} [label] */
const say = (page, text, label) => page.evaluate(async ({ text, label }) => {
  const { showNotice } = await import(/** @type {any} */ ('/page.js'));
  showNotice(text, label && { label, act() {} }, { stays: true });
}, { text, label });

/** Each screen goes on from the one before. @type {[string, (page: Page, site: import('./open.mjs').Site) => Promise<unknown>][]} */
export const screens = [
  ['library', (page) => page.waitForSelector('.family')],
  ['error', async (page) => {
    await page.fill('#address', 'ftp://nowhere');
    await page.press('#address', 'Enter');
    await page.waitForSelector('#error:visible');
  }],
  ['refused', async (page, site) => {
    await page.click('#error-close');
    site.server.files.set('/models/large.gguf', sparseFile('gemma-3-4b', 'Q8_0_L'));
    await page.fill('#address', `${site.server.origin}/models/large.gguf`);
    await page.click('#inspect');
    await page.waitForFunction(() => /does not fit/.test(document.querySelector('#inspection-title')?.textContent ?? ''), undefined, { timeout: patience });
    await page.locator('#inspection').scrollIntoViewIfNeeded();
  }],
  ['too large', async (page) => {
    await page.press('#address', 'Enter');
    await page.waitForSelector('#error:visible', { timeout: patience });
  }],
  ['dragging', async (page) => {
    await page.click('#error-close');
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([''], 'model.gguf'));
      dispatchEvent(new DragEvent('dragover', { dataTransfer, cancelable: true }));
    });
  }],
  ['loading', async (page, site) => {
    await page.evaluate(() => dispatchEvent(new DragEvent('dragleave')));
    site.server.faults.push({ path: /\.gguf$/, delayMs: 60 });
    await page.click('#load-default');
    await page.waitForFunction(() => /left$/.test(document.querySelector('#pace')?.textContent ?? ''));
  }],
  ['unfinished', async (page, site) => {
    await page.click('#cancel');
    await page.waitForFunction(() => document.querySelectorAll('#stored-list .unfinished').length === 1); // the one that was refused has left nothing
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
  ['drawer', openDrawer],
  ['rename', (page) => page.getByRole('button', { name: /^Rename/ }).first().press('Enter')],
  ['nothing found', async (page) => {
    await page.keyboard.press('Escape');
    await page.fill('#search', 'zebra');
    await page.waitForFunction(() => /Nothing/.test(document.querySelector('#no-conversations')?.textContent ?? ''));
  }],
  ['import error', async (page) => {
    await page.fill('#search', '');
    await page.setInputFiles('#import', { name: 'holiday.json', mimeType: '', buffer: Buffer.from('{}') });
    const close = page.locator('#close-menu');
    if (await close.isVisible()) await close.click();
    await page.waitForSelector('#error:visible');
  }],
  ['notice', async (page) => {
    await page.click('#error-close');
    await openDrawer(page);
    await page.getByRole('button', { name: /^Delete/ }).last().click();
    await page.waitForSelector('#notice:visible');
  }],
  ['settings', async (page) => {
    const close = page.locator('#close-menu');
    if (await close.isVisible()) await close.click();
    await page.click('#open-settings');
  }],
  ['settings end', (page) => page.locator('#theme').scrollIntoViewIfNeeded()],
  ['update', async (page) => {
    await page.click('#close-settings');
    await say(page, 'There is a new version of this page.', 'Reload');
  }],
  ['bench', async (page, site) => {
    await page.goto(`${site.server.origin}/bench.html`);
    await page.waitForFunction(() => document.querySelectorAll('#model-list li').length > 10);
    await page.waitForSelector('#machine dd');
  }],
  ['bench error', async (page) => {
    await page.fill('#threads', 'many');
    await page.click('#run');
    await page.waitForSelector('#error:visible');
  }],
  ['bench results', async (page) => {
    await page.click('#error-close');
    await page.setInputFiles('#import', benchReports);
    await page.waitForSelector('.chart');
    await page.locator('#results-title').scrollIntoViewIfNeeded();
    await page.locator('#results-title').evaluate((title) => title.scrollIntoView());
  }],
  ['bench machines', (page) => page.evaluate(() => scrollTo(0, document.body.scrollHeight))],
];

/** With a model, which takes a while. @type {typeof screens} */
export const liveScreens = [
  ['ready', (page) => loadDefault(page)],
  ['writing', async (page) => {
    await page.fill('#prompt', 'Write a very long story about a lighthouse.');
    await page.press('#prompt', 'Enter');
    await page.waitForFunction(() => (document.querySelector('.turn.model .body')?.textContent?.length ?? 0) > 200, undefined, { timeout: patience });
  }],
  ['stopped', async (page) => {
    await page.keyboard.press('Escape');
    await page.waitForSelector('#send:visible');
  }],
  ['answer', async (page) => {
    await page.evaluate(() => /** @type {any} */ (document.querySelector('#new-chat')).click());
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
  ['file', async (page) => {
    await page.setInputFiles('#file', tinyModel('olmo2-q2_k').file);
    await page.waitForSelector('#prompt:visible', { timeout: patience });
    await page.waitForSelector('#notice:visible');
  }],
  ['bench running', async (page, site) => {
    await page.goto(`${site.server.origin}/bench.html`);
    await page.waitForSelector('#model-list li');
    await page.fill('#repetitions', '20');
    await page.click('#run');
    await page.waitForFunction(() => /prompt of/.test(document.querySelector('#progress')?.textContent ?? ''), undefined, { timeout: patience });
  }],
];
