// Conversations: kept, found, renamed, deleted and brought back, exported and imported. No model is needed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { desktop, exportFile, openPage, openSite, phone } from './open.mjs';

const two = [
  { id: 'rain', messages: [{ role: 'user', content: 'Write about rain' }, { role: 'assistant', content: 'Drops on *leaves*', reasoning: 'Short.', note: '5 tokens' }], model: { name: 'SmolLM2' } },
  { id: 'sums', title: 'Sums', messages: [{ role: 'user', content: 'One and one?' }, { role: 'assistant', content: 'Two' }] },
];

describe('conversations', () => {
  /** @type {import('./open.mjs').Site} */
  let site;
  /** @type {Awaited<ReturnType<typeof openPage>>} */
  let opened;
  /** @type {import('./open.mjs').Page} */
  let page;

  before(async () => { site = await openSite(); });
  after(() => site?.close());
  beforeEach(async () => {
    opened = await openPage(site, { viewport: desktop });
    page = opened.page;
    await page.setInputFiles('#import', exportFile(two));
    await page.waitForFunction(() => document.querySelectorAll('#conversations li').length === 2);
  });
  afterEach(async () => {
    await opened.close();
    assert.deepEqual(opened.complaints, []);
  });

  const names = () => page.locator('#conversations .open').allInnerTexts();

  /** Keeps a conversation that is renamed in the store while the page has it open, and leaves both in the page; its id. */
  const openNamed = () => page.evaluate(async () => {
    const { Conversations, newConversation } = await import(/** @type {any} */ ('/conversations.js'));
    const store = new Conversations(() => {});
    const open = newConversation();
    open.messages.push({ role: 'user', content: 'Hello' });
    await store.keep(open);
    await store.put({ ...open, title: 'Named' });
    Object.assign(globalThis, { named: { store, open } });
    return open.id;
  });

  test('a reload opens the same conversation; without its model it can be read and its model is named', async () => {
    assert.deepEqual(await names(), ['Sums', 'Write about rain'], 'the latest first');
    await page.getByRole('button', { name: 'Write about rain', exact: true }).click();
    assert.match(await page.innerText('.turn.model'), /Drops on leaves/);
    assert.equal(await page.innerText('.turn.model em'), 'leaves');
    assert.equal(await page.innerText('.thoughts summary'), 'Thoughts');
    await page.reload();
    await page.waitForSelector('.turn.model');
    assert.match(page.url(), /#rain$/);
    assert.equal(await page.getAttribute('#conversations [aria-current=page]', 'title'), 'Write about rain');
    assert.match(await page.innerText('#no-model'), /This chat was with SmolLM2/);
    assert.ok(await page.isHidden('#ask'));
  });

  test('what a model thinks is folded away as it comes, and says how long that took', async () => {
    const seen = await page.evaluate(async () => {
      const { ModelTurn } = await import(/** @type {any} */ ('/turn.js'));
      const turn = new ModelTurn(() => {});
      document.body.append(turn.element);
      const summary = () => turn.element.querySelector('summary')?.textContent;
      turn.addThought('First ');
      turn.addThought('this.');
      const during = summary();
      await new Promise((resolve) => { setTimeout(resolve, 120); });
      turn.addText('Then **that**.');
      turn.finish('');
      const fold = turn.element.querySelector('details');
      return { during, after: summary(), isOpen: fold.open, thoughts: fold.querySelector('p').textContent, isAbove: fold.nextElementSibling === turn.body, answer: turn.body.textContent.trim() };
    });
    const { after, ...rest } = seen;
    assert.deepEqual(rest, { during: 'Thinking…', isOpen: false, thoughts: 'First this.', isAbove: true, answer: 'Then that.' });
    assert.match(String(after), /^Thought for 0\.\d s$/);
  });

  test('search looks into what was said', async () => {
    await page.fill('#search', 'LEAVES');
    await page.waitForFunction(() => document.querySelectorAll('#conversations li').length === 1);
    assert.deepEqual(await names(), ['Write about rain']);
    await page.fill('#search', 'nowhere');
    await page.waitForFunction(() => document.querySelectorAll('#conversations li').length === 0);
    assert.equal(await page.innerText('#no-conversations'), 'Nothing found.');
  });

  test('rename, delete, undo', async () => {
    await page.getByRole('button', { name: 'Sums', exact: true }).hover();
    await page.getByRole('button', { name: 'Rename Sums' }).click();
    await page.keyboard.type('Arithmetic');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#conversations [title=Arithmetic]');
    await page.getByRole('button', { name: 'Arithmetic', exact: true }).hover();
    await page.getByRole('button', { name: 'Delete Arithmetic' }).click();
    await page.waitForFunction(() => document.querySelectorAll('#conversations li').length === 1);
    await page.reload();
    await page.waitForSelector('#conversations li');
    assert.deepEqual(await names(), ['Write about rain'], 'it stays deleted');
    await page.getByRole('button', { name: 'Write about rain', exact: true }).click();
    await page.getByRole('button', { name: 'Delete Write about rain' }).click();
    await page.waitForSelector('#load-default:visible'); // the open one was deleted
    await page.click('#notice-action');
    await page.waitForSelector('#conversations [title="Write about rain"]');
  });

  test('a new name survives what is said afterwards', async () => {
    await openNamed();
    const titles = await page.evaluate(async () => {
      const { store, open } = /** @type {any} */ (globalThis).named;
      open.messages.push({ role: 'assistant', content: 'Hi' });
      await store.keep(open);
      const { title, messages } = await store.get(open.id);
      return [title, messages.length];
    });
    assert.deepEqual(titles, ['Named', 2]);
  });

  test('what is kept while the page goes away is there afterwards, under the name that it was given', async () => {
    const id = await openNamed();
    await page.evaluate(() => {
      const { store, open } = /** @type {any} */ (globalThis).named;
      addEventListener('pagehide', () => {
        open.messages.push({ role: 'assistant', content: 'Hi' });
        store.keep(open, { leaving: true });
      });
    });
    await page.reload();
    const kept = await page.evaluate(async (wanted) => {
      const { Conversations } = await import(/** @type {any} */ ('/conversations.js'));
      const { title, messages } = await new Conversations(() => {}).get(wanted);
      return [title, messages.map((/** @type {any} */ { content }) => content)];
    }, id);
    assert.deepEqual(kept, ['Named', ['Hello', 'Hi']]);
  });

  test('an export is imported elsewhere as it was; another tab sees it', async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#export')]);
    assert.match(download.suggestedFilename(), /^pagelm-chats-\d{4}-\d\d-\d\d\.json$/);
    const exported = JSON.parse(readFileSync(/** @type {string} */ (await download.path()), 'utf8'));
    assert.deepEqual(exported.conversations.map((/** @type {any} */ { messages }) => messages), [two[1].messages, two[0].messages]);
    const other = await openPage(site, { viewport: desktop });
    const tab = await other.context.newPage();
    await tab.goto(site.server.origin);
    await other.page.setInputFiles('#import', { name: 'x.json', mimeType: '', buffer: Buffer.from(JSON.stringify(exported)) });
    for (const view of [other.page, tab]) await view.waitForFunction(() => document.querySelectorAll('#conversations li').length === 2);
    await other.close();
  });

  test('on a phone, why an import was refused is in view when the list is closed', async () => {
    await page.setViewportSize(phone);
    await page.setInputFiles('#import', exportFile([{ id: 'long', messages: [{ role: 'user', content: 'word '.repeat(2000) }, { role: 'assistant', content: 'Yes' }] }]));
    await page.click('#menu');
    await page.locator('[data-id=long] .open').click();
    await page.evaluate(() => scrollTo(0, 0));
    await page.click('#menu');
    await page.setInputFiles('#import', { name: 'x.json', mimeType: '', buffer: Buffer.from('{}') });
    await page.waitForSelector('#error:visible');
    await page.click('#close-menu');
    await page.waitForTimeout(300); // it slides out
    const { top, bottom } = await page.locator('#error').evaluate((error) => error.getBoundingClientRect());
    assert.ok(top > 0 && bottom < phone.height, `from ${top} to ${bottom}`);
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'menu');
  });

  for (const [what, text, why] of [
    ['no JSON', 'hello', /no JSON/],
    ['another format', '{"format":"x"}', /no export of this page/],
    ['a message that is none', JSON.stringify({ format: 'pagelm-conversations', version: 1, conversations: [{ id: 'x', title: '', created: 1, updated: 1, messages: [{ role: 'system', content: {} }] }] }), /Conversation 1 has no valid messages/],
    ['an id that is none', JSON.stringify({ format: 'pagelm-conversations', version: 1, conversations: [{ id: '"><img>', title: '', created: 1, updated: 1, messages: [] }] }), /Conversation 1 has no valid id/],
  ]) {
    test(`an import is refused: ${what}`, async () => {
      await page.setInputFiles('#import', { name: 'x.json', mimeType: '', buffer: Buffer.from(String(text)) });
      await page.waitForSelector('#error:visible');
      assert.match(await page.innerText('#error'), /** @type {RegExp} */ (why));
      assert.equal((await names()).length, 2, 'what was there stays');
    });
  }
});
