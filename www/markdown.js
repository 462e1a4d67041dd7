// A model's Markdown as it streams in: only the blocks that changed are rendered again, so that a long answer does not
// lose the reader's selection and costs one block a frame.
import { Marked } from './lib/marked.js';
import { dressCode, highlight } from './code.js';
import { sanitise } from './sanitise.js';

/** @typedef {{ raw: string, element: HTMLElement, highlighted: boolean }} Block */

/** In characters. Above it the text is shown as it is: the renderer's time is not linear in all inputs. */
const longestMarkdown = 200_000;

/** @param {string} text */
const escape = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const parser = new Marked({
  gfm: true,
  async: false,
  renderer: {
    heading({ tokens, depth }) {
      const level = Math.min(6, Math.max(3, depth));
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
    // a model that writes HTML outside of a code block means it to be read
    html: ({ text }) => (/^<br\s*\/?>$/i.test(text.trim()) ? '<br>' : escape(text)),
    // fetching a picture would tell its host what was said here
    image: ({ href, text }) => `<a href="${escape(href)}">image: ${escape(text || href)}</a>`,
  },
});

export class MarkdownView {
  /** @type {Block[]} */
  #blocks = [];
  #container;
  #text = '';
  #due = 0;

  /** @param {HTMLElement} container */
  constructor(container) {
    this.#container = container;
    container.classList.add('prose');
  }

  /** @param {string} text  to be added; shown with the next frame */
  append(text) {
    this.#text += text;
    this.#due ||= requestAnimationFrame(() => this.#render(false));
  }

  /** Shows everything there is, code highlighted. */
  finish() {
    cancelAnimationFrame(this.#due);
    this.#render(true);
  }

  /** @param {boolean} complete */
  #render(complete) {
    this.#due = 0;
    if (this.#text.length > longestMarkdown) return this.#renderPlain();
    const tokens = parser.lexer(this.#text);
    // a definition at the end changes the links of blocks that look unchanged
    const links = Object.keys(tokens.links).length > 0;
    const shown = tokens.filter(({ type }) => type !== 'space' && type !== 'def');
    orderHeadings(shown);
    shown.forEach((token, index) => {
      const old = this.#blocks[index];
      if (old?.raw !== token.raw || (complete && links)) this.#replace(index, token.raw, parser.parser([token]));
      const block = this.#blocks[index];
      if (!block.highlighted && (complete || index < shown.length - 1)) {
        block.highlighted = true;
        highlight(block.element);
      }
    });
    for (const { element } of this.#blocks.splice(shown.length)) element.remove();
  }

  /** @param {number} index @param {string} raw @param {string} html */
  #replace(index, raw, html) {
    const element = document.createElement('div');
    element.className = 'block';
    element.append(sanitise(html));
    dressCode(element);
    wrapTables(element);
    const old = this.#blocks[index];
    if (old) old.element.replaceWith(element);
    else this.#container.append(element);
    this.#blocks[index] = { raw, element, highlighted: false };
  }

  #renderPlain() {
    const element = document.createElement('div');
    element.className = 'block plain';
    element.textContent = this.#text;
    this.#blocks = [{ raw: this.#text, element, highlighted: true }];
    this.#container.replaceChildren(element);
  }
}

/**
 * Models begin with any level and skip some. Here they follow the heading of the turn, which is the second level, without a
 * gap, so that a screen reader's list of headings makes sense.
 * @param {import('./lib/marked.js').Token[]} tokens
 */
function orderHeadings(tokens) {
  /** @type {number[]} */
  const open = [];
  for (const token of tokens) {
    if (token.type !== 'heading') continue;
    while (open.length && open[open.length - 1] >= token.depth) open.pop();
    open.push(token.depth);
    token.depth = 2 + open.length;
  }
}

/** A wide table scrolls by itself, by keyboard too. @param {HTMLElement} element */
function wrapTables(element) {
  for (const table of element.querySelectorAll('table')) {
    const frame = document.createElement('div');
    frame.className = 'table-frame';
    frame.tabIndex = 0;
    frame.setAttribute('role', 'group');
    frame.setAttribute('aria-label', 'Table');
    table.replaceWith(frame);
    frame.append(table);
  }
}
