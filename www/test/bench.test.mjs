// The benchmark page: a short measurement with the real model, its export, and an import beside it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { desktop, openPage, openSite, patience } from './open.mjs';
import { benchReport } from './samples.mjs';

test('the benchmark measures, draws, exports and imports', async (t) => {
  const site = await openSite();
  t.after(() => site.close());
  const { page, complaints, close } = await openPage(site, { viewport: desktop });
  await page.goto(`${site.server.origin}/bench.html`);
  await page.waitForSelector('#model option', { state: 'attached' });
  assert.match(await page.innerText('#machine'), /Chrome \d+.*\n?[\s\S]*Cores\n\d+/);
  await page.uncheck('[name=prefill][value="512"]');
  await page.uncheck('[name=decode][value="512"]');
  await page.fill('#repetitions', '1');
  await page.click('#run');
  await page.waitForFunction(() => document.querySelectorAll('#table tbody tr').length === 1 || !document.querySelector('#error')?.hasAttribute('hidden'), undefined, { timeout: patience });
  assert.ok(await page.isHidden('#error'), await page.innerText('#error'));
  const cells = await page.locator('#table tbody td').allInnerTexts();
  assert.equal(cells.length, 8, 'a prompt, an answer, the first token and its five parts');
  const [total, ...parts] = cells.slice(2).map((cell) => Number.parseInt(cell.replace(',', ''), 10));
  assert.ok(total > 0 && Math.abs(total - parts.reduce((sum, part) => sum + part, 0)) <= 4, cells.join(' | '));
  assert.ok(parts.every((part) => part > 0), `a part took no time: ${cells.join(' | ')}`);
  for (const cell of cells.slice(0, 2)) assert.ok(Number(cell) > 0, `"${cell}" tokens a second`);
  console.log(`  ${(await page.locator('#table thead th').allInnerTexts()).join(' | ')}\n  ${cells.join(' | ')}`);
  assert.equal(await page.locator('.chart').count(), 2);

  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#export')]);
  const report = JSON.parse(readFileSync(/** @type {string} */ (await download.path()), 'utf8'));
  assert.equal(report.runs[0].prefill[0].tokens, 128);
  assert.equal(report.runs[0].prefill[0].rate.toFixed(1), cells[0]);

  await page.setInputFiles('#import', benchReport);
  await page.waitForFunction(() => document.querySelectorAll('#table tbody tr').length === 4);
  await page.setInputFiles('#import', { name: 'bad.json', mimeType: '', buffer: Buffer.from('{"format":"pagelm-benchmark","version":1,"runs":[{"prefill":"<img>"}]}') });
  await page.waitForSelector('#error:visible');
  assert.match(await page.innerText('#error'), /no results of this page/);
  await page.uncheck('[name=backend][value=cpu]');
  await page.click('#run');
  assert.match(await page.innerText('#error'), /at least one backend/);
  assert.deepEqual(complaints, []);
  await close();
});
