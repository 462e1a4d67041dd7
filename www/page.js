// The page's elements by id, and the three views that they form.

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} with the id "${id}"`);
  return found;
}

/** @param {'choose' | 'loading' | 'chat'} view */
export function show(view) {
  document.body.dataset.view = view;
  for (const id of ['choose', 'loading', 'chat']) element(id, HTMLElement).hidden = id !== view;
  element('composer', HTMLElement).hidden = view !== 'chat';
  element('chat-tools', HTMLElement).hidden = view !== 'chat';
}

/** Says something to screen readers only. @param {string} text */
export function announce(text) {
  element('status', HTMLElement).textContent = text;
}

/** @param {string} title @param {unknown} error  pagelm's errors have a `code`, and a message that says what to do */
export function showError(title, error) {
  const { code = '', message = String(error) } = /** @type {{ code?: string, message?: string }} */ (error ?? {});
  element('error-title', HTMLElement).textContent = title;
  element('error-message', HTMLElement).textContent = message;
  element('error-code', HTMLElement).textContent = code;
  element('error', HTMLElement).hidden = false;
}

export function clearError() {
  element('error', HTMLElement).hidden = true;
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
