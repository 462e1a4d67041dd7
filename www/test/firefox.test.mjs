// The page in Firefox: load, ask, read; its service worker; Markdown.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildSite, siteRoots } from '../../scripts/site.mjs';
import { missing, open } from '../../tests/browser/browsers.mjs';

test('the chat page in Firefox', { skip: missing('firefox'), timeout: 180_000 }, async (t) => {
  const folder = buildSite(mkdtempSync(join(tmpdir(), 'pagelm-site-')));
  const session = await open({ engine: 'firefox', serves: siteRoots(folder), path: '/' });
  t.after(async () => {
    await session.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const seen = await session.evaluate(async () => {
    const find = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));
    const until = async (/** @type {() => unknown} */ holds) => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    find('[name=backend][value=cpu]').click();
    find('#max-tokens').value = '16';
    find('#load-default').click();
    await until(() => find('#ask').checkVisibility() || find('#error').checkVisibility());
    if (find('#error').checkVisibility()) return { error: find('#error').textContent };
    find('#prompt').value = 'What is the capital of France?';
    find('#send').click();
    await until(() => find('.turn.model .note')?.textContent);
    const answer = find('.turn.model .body').textContent;
    const { MarkdownView } = await import(/** @type {any} */ ('/markdown.js'));
    const container = document.createElement('div');
    const view = new MarkdownView(container);
    view.append('*one* <img src=x onerror=alert(1)> [x](javascript:alert(1))');
    view.finish();
    const registration = await navigator.serviceWorker.ready;
    await until(() => registration.active?.state === 'activated');
    const files = await (await caches.open('pagelm-files')).keys();
    return {
      answer,
      note: find('.turn.model .note').textContent,
      markdown: { images: container.querySelectorAll('img').length, emphasis: container.querySelector('em')?.textContent, links: container.querySelectorAll('a[href]').length },
      kept: files.length,
      listed: find('#conversations .open')?.textContent,
    };
  }, {});
  assert.equal(seen.error, undefined);
  assert.match(String(seen.answer), /(\w+\W+){3}/); // which words depends on the build of the engine
  assert.match(seen.note, /tokens\/s/);
  assert.deepEqual(seen.markdown, { images: 0, emphasis: 'one', links: 0 });
  assert.ok(Number(seen.kept) > 30, `${seen.kept} files are kept for later`);
  assert.match(seen.listed, /capital of France/);
});
