// Calls of tools in chat(), with the whole package and a model whose every word is known.
import { test } from 'node:test';
import { missing, open } from './browsers.mjs';

test('calls of tools', { skip: missing('chromium'), timeout: 120_000 }, async (t) => {
  const session = await open({ engine: 'chromium' });
  t.after(() => session.close());
  const names = await session.evaluate(async () => Object.keys((await import(`${location.origin}/browser/tools-page.js`)).cases), undefined);
  if (names.length < 5) throw new Error(`only ${names.length} cases`);
  for (const name of names) {
    await t.test(name, () => session.evaluate(async (wanted) => { await (await import(`${location.origin}/browser/tools-page.js`)).run(wanted); }, name));
  }
});
