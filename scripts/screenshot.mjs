// Pictures of the page.
//   node scripts/screenshot.mjs [FILE]        docs/chat.png: the real page with the real model after a finished answer
//   node scripts/screenshot.mjs --all FOLDER  every screen, phone and desktop, light and dark, to be looked at
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../tests/server/serve.mjs';
import { answered, desktop, loadDefault, openPage, openSite, phone, set } from '../www/test/open.mjs';
import { liveScreens, screens } from '../www/test/screens.mjs';

const questions = ['Show me a hello world program in Python.'];

/** @typedef {import('../www/test/open.mjs').Site} Site */

/** @param {Site} site @param {string} file */
async function paintChat(site, file) {
  const { page, close } = await openPage(site, { viewport: { width: 1180, height: 760 }, colorScheme: 'light' });
  await loadDefault(page);
  // a small model may go on for ever: an answer that was cut off is no picture of the page, and says so below
  await set(page, { 'max-tokens': '240', temperature: '0' });
  for (const [index, question] of questions.entries()) {
    await page.fill('#prompt', question);
    await page.keyboard.press('Enter');
    await answered(page, index + 1);
  }
  await page.mouse.move(0, 0); // nothing is pointed at
  await page.waitForTimeout(500); // the highlighter may still be on its way
  console.log((await page.locator('.turn.model').allInnerTexts()).join('\n---\n'));
  const cut = await page.locator('.turn.model .note', { hasText: 'cut' }).count();
  if (cut > 0) throw new Error(`${cut} of ${questions.length} answers did not come to their end; choose other questions`);
  await page.screenshot({ path: file });
  console.log(`screenshot: ${file}`);
  await close();
}

/** @param {Site} site @param {string} folder */
async function paintAll(site, folder) {
  mkdirSync(folder, { recursive: true });
  for (const [kind, viewport] of Object.entries({ phone, desktop })) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      for (const list of [screens, liveScreens]) {
        const { page, close } = await openPage(site, { viewport, colorScheme, reducedMotion: 'reduce' });
        for (const [name, show] of list) {
          await show(page, site);
          const file = join(folder, `${name.replaceAll(' ', '-')}-${kind}-${colorScheme}.png`);
          await page.screenshot({ path: file });
          console.log(`screenshot: ${file}`);
        }
        await close();
      }
    }
  }
}

const [first, folder] = process.argv.slice(2);
const site = await openSite();
try {
  if (first === '--all') await paintAll(site, folder ?? join(projectRoot, 'tests/out/screens'));
  else await paintChat(site, first ?? join(projectRoot, 'docs/chat.png'));
} finally {
  await site.close();
}
