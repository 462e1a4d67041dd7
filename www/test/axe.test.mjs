// Every screen, on a phone and a desktop, light and dark: axe finds no violation, nothing is cut off at the side.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { desktop, fitsTheScreen, openPage, openSite, phone } from './open.mjs';
import { liveScreens, screens } from './screens.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** @typedef {import('./open.mjs').Page} Page */

/** @param {Page} page */
async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() => /** @type {any} */ (window).axe.run());
  return found.map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ { target, failureSummary }) => `${target} (${failureSummary.split('\n').slice(1).join(';').trim()})`).join(', ')}`);
}

/** Controls that still look as browsers make them: with a border as if pressed into the page. @param {Page} page */
const unstyled = (page) => page.evaluate(() => [...document.querySelectorAll('input, select, textarea, button')]
  .filter((control) => /^(?:in|out)set$/.test(getComputedStyle(control).borderTopStyle)).map((control) => control.id || control.outerHTML));

/** @param {Page} page @param {import('./open.mjs').Site} site @param {typeof screens} list */
async function checkAll(page, site, list) {
  for (const [name, show] of list) {
    await show(page, site);
    assert.deepEqual(await violations(page), [], name);
    assert.ok(await fitsTheScreen(page), `${name} is wider than the screen`);
    assert.deepEqual(await unstyled(page), [], name);
  }
}

describe('accessibility', () => {
  /** @type {import('./open.mjs').Site} */
  let site;
  before(async () => { site = await openSite(); });
  after(() => site?.close());

  for (const [kind, viewport] of Object.entries({ phone, desktop })) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      test(`${kind}, ${colorScheme}`, async (t) => {
        const { page, close } = await openPage(site, { viewport, colorScheme, reducedMotion: 'reduce' });
        t.after(close);
        await checkAll(page, site, screens);
      });
    }
  }

  // what these consist of has been seen above in all four looks
  for (const [kind, options] of Object.entries({ 'phone, dark': { viewport: phone, colorScheme: /** @type {const} */ ('dark') }, 'desktop, light': { viewport: desktop } })) {
    test(`with a model: ${kind}`, async (t) => {
      const { page, close } = await openPage(site, { ...options, reducedMotion: 'reduce' });
      t.after(close);
      await checkAll(page, site, liveScreens);
    });
  }

  test('axe finds what is wrong', async (t) => {
    const { page, close } = await openPage(site);
    t.after(close);
    await page.evaluate(() => {
      document.querySelector('#address')?.removeAttribute('placeholder');
      document.querySelector('label[for=address]')?.remove();
    });
    assert.match(String(await violations(page)), /label/);
  });
});
