// The benchmark page: a short measurement of two models, its export, and the results of two other machines beside it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { tinyModel } from '../../tests/browser/paths.mjs';
import { desktop, openPage, openSite, patience, set } from './open.mjs';
import { benchReports } from './samples.mjs';

/** @param {import('./open.mjs').Page} page @param {string} table */
const textOf = (page, table) => page.locator(`${table} tr`).evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent ?? '')));

test('the benchmark measures several models, draws, exports and imports', async (t) => {
  const site = await openSite();
  t.after(() => site.close());
  const { page, complaints, close } = await openPage(site, { viewport: desktop });
  await page.goto(`${site.server.origin}/bench.html`);
  await page.waitForFunction(() => document.querySelectorAll('#model-list li').length > 15);
  await page.waitForSelector('#machine dd');
  assert.match(await page.innerText('#machine'), /Chrome \d+.*\n?[\s\S]*Cores\n\d+/);
  assert.deepEqual(await page.locator('#model-list :checked').count(), 1, 'the default model is ticked');
  await page.uncheck('[name=prefill][value="512"]');
  await page.uncheck('[name=decode][value="512"]');
  await page.fill('#repetitions', '1');
  // another one as a file, and one that is not there
  await page.setInputFiles('#file', tinyModel('olmo2-q2_k').file);
  await page.fill('#address', `${site.server.origin}/models/nothing.gguf`);
  await page.press('#address', 'Enter');
  assert.equal(await page.locator('#model-list :checked').count(), 3);
  await page.fill('#threads', '1, 2');
  await page.click('#run');
  await page.waitForSelector('#stop:visible');
  await page.waitForSelector('#run:visible', { timeout: patience });
  assert.match(await page.innerText('#error'), /2 of 6 were not measured[\s\S]*nothing, CPU, 1 thread: [\s\S]*404[\s\S]*network/);
  await page.click('#error-close');

  const [head, ...rows] = await textOf(page, '#table');
  console.log(`  ${[head, ...rows].map((cells) => cells.join(' | ')).join('\n  ')}`);
  assert.deepEqual(rows.map(([name]) => name.replace(/^.*?(Q\w+|quantised), /, '')), ['CPU, 1 thread', 'CPU, 2 threads', 'CPU, 1 thread', 'CPU, 2 threads']);
  assert.equal(new Set(rows.map(([name]) => name)).size, 4, 'two models, each with one thread and with two');
  for (const [name, ...cells] of rows) {
    assert.equal(cells.length, 8, 'a prompt, an answer, the first token and its five parts');
    for (const cell of cells.slice(0, 2)) assert.ok(Number(cell) > 0, `${name}: "${cell}" tokens a second`);
    const [total, ...parts] = cells.slice(2).map((cell) => Number.parseInt(cell.replace(',', ''), 10));
    assert.ok(total > 0 && Math.abs(total - parts.reduce((sum, part) => sum + part, 0)) <= 4, cells.join(' | '));
  }
  const parts = rows[0].slice(4).map((cell) => Number.parseInt(cell.replace(',', ''), 10));
  assert.ok(parts.every((part) => part > 0), `a part took no time: ${parts.join(' | ')}`);
  assert.match(rows[0][3], /downloaded/);
  assert.doesNotMatch(rows[1][3], /downloaded/, 'the second time it comes from the store');
  assert.equal(await page.locator('.chart').count(), 2);
  assert.ok(await page.isHidden('#machines-part'), 'there is no other machine yet');

  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#export')]);
  const report = JSON.parse(readFileSync(/** @type {string} */ (await download.path()), 'utf8'));
  assert.deepEqual([report.runs.length, report.runs[0].prefill[0].tokens], [4, 128]);
  assert.equal(report.runs[0].prefill[0].rate.toFixed(1), rows[0][1]);
  assert.match(report.machine.browser, /^Chrome \d+/);

  await page.setInputFiles('#import', benchReports);
  await page.waitForFunction(() => document.querySelectorAll('#table tbody tr').length === 8);
  const all = await textOf(page, '#table');
  assert.equal(all[0][1], 'machine');
  // what is called the same lies together, each with its machine
  assert.deepEqual(all.slice(5).map((cells) => cells.slice(0, 2)), [
    ['SmolLM2 135M Q4_1, CPU, 1 thread', 'A'],
    ['SmolLM2 135M Q4_1, CPU, 1 thread', 'B'],
    ['SmolLM2 135M Q4_1, CPU, 4 threads', 'A'],
    ['SmolLM2 135M Q4_1, WebGPU', 'A'],
  ]);
  const machines = await textOf(page, '#machines');
  assert.deepEqual(machines[0], ['', 'this machine', 'A', 'B']);
  const facts = Object.fromEntries(machines.slice(1).map(([what, ...values]) => [what, values]));
  assert.deepEqual(facts.Browser.slice(1), ['Chrome 156 on X11; Linux x86_64', 'Firefox 153 on Android 16; Mobile']);
  assert.deepEqual(facts['WebGPU adapter'].slice(1), ['nvidia ampere', 'none']);
  assert.deepEqual(facts.Measured, ['now', '2026-11-20, 10:00 UTC', '2026-11-20, 10:00 UTC']);
  assert.match(await page.locator('.chart').first().innerText(), /SmolLM2 135M Q4_1, CPU, 1 thread · B/);

  await page.setInputFiles('#import', { name: 'bad.json', mimeType: '', buffer: Buffer.from('{"format":"pagelm-benchmark","version":1,"runs":[{"prefill":"<img>"}]}') });
  await page.waitForSelector('#error:visible');
  assert.match(await page.innerText('#error'), /no results of this page/);
  await page.uncheck('[name=backend][value=cpu]');
  await page.click('#run');
  assert.match(await page.innerText('#error'), /at least one model, one backend/);
  assert.deepEqual(complaints.filter((text) => !/404/.test(text)), []);
  await close();
});

test('the benchmark fetches from the mirror with the token, and looks, as it was set in the chat', async (t) => {
  const site = await openSite();
  t.after(() => site.close());
  const bytes = readFileSync(tinyModel('olmo2-q2_k').file);
  site.server.files.set('/hub/owner/repo/resolve/main/m.gguf', { size: bytes.length, extents: [{ at: 0, bytes }] });
  site.server.faults.push({ path: /^\/hub\//, bearer: 'hf_of_a_test' });
  const { page, close } = await openPage(site, { viewport: desktop });
  await set(page, { 'hub-mirror': `${site.server.origin}/hub/`, 'hub-token': 'hf_of_a_test' });
  await page.click('#open-settings');
  await page.selectOption('#theme', 'dark');
  await page.goto(`${site.server.origin}/bench.html`);
  await page.waitForSelector('#machine dd');
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
  await page.waitForFunction(() => document.querySelectorAll('#model-list li').length > 15);
  await page.uncheck('#model-list :checked');
  for (const [name, value] of [['prefill', '512'], ['decode', '512']]) await page.uncheck(`[name=${name}][value="${value}"]`);
  await page.fill('#repetitions', '1');
  await page.fill('#address', 'hf:owner/repo/m.gguf');
  await page.click('#add-address');
  await page.click('#run');
  await page.waitForSelector('#stop:visible');
  await page.waitForSelector('#run:visible', { timeout: patience });
  assert.equal(await page.isVisible('#error'), false, await page.innerText('#error'));
  assert.equal((await textOf(page, '#table')).length, 2);
  await close();
});
