// The page's elements by id, its views, and what it says: to everybody, or to screen readers only.
import { advise } from './advice.js';
import { asSentence } from './format.js';

/** @typedef {'choose' | 'loading' | 'chat'} View */
/** @type {View[]} */
const views = ['choose', 'loading', 'chat'];

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`this page has no ${type.name} with the id "${id}"`);
  return found;
}

/** @param {View} view */
export function show(view) {
  document.body.dataset.view = view;
  for (const id of views) element(id, HTMLElement).hidden = id !== view;
  element('composer', HTMLElement).hidden = view !== 'chat';
}

/** Says something to screen readers only. @param {string} text */
export function announce(text) {
  element('status', HTMLElement).textContent = text;
}

/** @param {string} title @param {unknown} error  pagelm's errors have a `code`, and a message with value and limit */
export function showError(title, error) {
  const { code = '', message = String(error) } = /** @type {{ code?: string, message?: string }} */ (error ?? {});
  element('error-title', HTMLElement).textContent = title;
  element('error-message', HTMLElement).textContent = asSentence(message);
  element('error-advice', HTMLElement).textContent = advise(code);
  element('error-code', HTMLElement).textContent = code;
  const panel = element('error', HTMLElement);
  panel.hidden = false;
  panel.scrollIntoView({ block: 'center' }); // what was pressed may be far below
}

export function clearError() {
  element('error', HTMLElement).hidden = true;
}

const noticeMs = 12_000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let noticeTimer;

/**
 * A line at the edge of the screen that can be acted on, such as "Deleted. Undo".
 * @param {string} text
 * @param {{ label: string, act: () => void }} [action]
 * @param {{ stays?: boolean }} [options]  until it is dismissed
 */
export function showNotice(text, action, { stays = false } = {}) {
  const notice = element('notice', HTMLElement);
  const button = element('notice-action', HTMLButtonElement);
  element('notice-text', HTMLElement).textContent = text;
  button.hidden = !action;
  button.textContent = action?.label ?? '';
  button.onclick = () => {
    notice.hidden = true;
    action?.act();
  };
  notice.hidden = false;
  clearTimeout(noticeTimer);
  if (!stays) noticeTimer = setTimeout(() => { notice.hidden = true; }, noticeMs);
}

export function hideNotice() {
  element('notice', HTMLElement).hidden = true;
}

/** One of the small buttons of a row. @param {string} text @param {string} name  of the row, for who cannot see it @param {() => void} act */
export function rowButton(text, name, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'small';
  made.textContent = text;
  made.setAttribute('aria-label', `${text} ${name}`);
  made.addEventListener('click', act);
  return made;
}

/** Fills a definition list. @param {HTMLElement} list @param {[string, string][]} rows */
export function fillFacts(list, rows) {
  list.replaceChildren(...rows.flatMap(([term, value]) => {
    const dt = document.createElement('dt');
    const dd = document.createElement('dd');
    dt.textContent = term;
    dd.textContent = value;
    return [dt, dd];
  }));
}
