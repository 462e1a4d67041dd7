// Blocks of code: a head with the language and a copy button, and colours once a block is complete.
import { copyButton } from './copy.js';
import { sanitise } from './sanitise.js';

const longestHighlighted = 50_000; // characters; the highlighter runs on the page's own thread

/** Puts a head on each block of code in `element`. @param {HTMLElement} element */
export function dressCode(element) {
  for (const code of element.querySelectorAll('pre > code')) {
    const pre = /** @type {HTMLPreElement} */ (code.parentElement);
    const language = languageOf(code);
    const figure = document.createElement('figure');
    const head = document.createElement('figcaption');
    const name = document.createElement('span');
    figure.className = 'code';
    name.textContent = language || 'code';
    head.append(name, copyButton('Copy code', () => code.textContent ?? ''));
    pre.tabIndex = 0; // wide lines scroll, by keyboard too
    pre.setAttribute('role', 'group');
    pre.setAttribute('aria-label', language ? `Code in ${language}` : 'Code');
    pre.replaceWith(figure);
    figure.append(head, pre);
  }
}

/** Colours the code in `element`; the highlighter is fetched when the first block needs it. @param {HTMLElement} element */
export async function highlight(element) {
  const blocks = [...element.querySelectorAll('pre > code')].filter(languageOf);
  if (!blocks.length) return;
  const highlighter = await import('./lib/highlight.js').then((module) => module.default, () => undefined);
  if (!highlighter) return; // the code stays readable without colours
  for (const code of blocks) {
    const language = languageOf(code);
    const text = code.textContent ?? '';
    if (text.length > longestHighlighted || !highlighter.getLanguage(language)) continue;
    code.replaceChildren(sanitise(highlighter.highlight(text, { language, ignoreIllegals: true }).value));
  }
}

/** @param {Element} code */
const languageOf = (code) => /language-([\w+#.-]+)/.exec(code.className)?.[1] ?? '';
