// The second wall against hostile text: whatever HTML the Markdown renderer or the highlighter made passes through here
// before it becomes part of the page. What is not on these lists does not. The first wall is markdown.js, which turns
// HTML and images of a model into text and links; the third is the page's content security policy.
import DOMPurify from './lib/purify.js';

const tags = [
  'p', 'br', 'hr', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6',
  'table', 'thead', 'tbody', 'tr', 'th', 'td', 'a', 'span',
];
const plainAttributes = ['align', 'start']; // their values are never addresses
const classes = /^(?:language-[\w+#.-]+|hljs-[\w-]+|function_|class_|inherited__|\s)+$/; // the renderer's and the highlighter's

const purifier = DOMPurify(window);

purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.hasAttribute('class') && !classes.test(node.getAttribute('class') ?? '')) node.removeAttribute('class');
  if (node instanceof HTMLAnchorElement) {
    // a page that is opened must know nothing of this one
    node.target = '_blank';
    node.rel = 'noopener noreferrer nofollow';
  }
});

/** @param {string} html @returns {DocumentFragment} */
export function sanitise(html) {
  return purifier.sanitize(html, {
    ALLOWED_TAGS: tags,
    ALLOWED_ATTR: ['href', 'title', 'class', ...plainAttributes],
    ADD_URI_SAFE_ATTR: plainAttributes,
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}
