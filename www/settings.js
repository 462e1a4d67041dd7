// The settings dialog: how to answer, how to load, how to look. Kept by the browser, and left to the engine where empty.
import { element } from './page.js';
import { checkReach } from './store.js';

/** @typedef {import('./pagelm.js').ChatOptions} ChatOptions */
/** @typedef {import('./pagelm.js').ModelInfo} ModelInfo */
/** @typedef {import('./pagelm.js').LoadOptions} LoadOptions */

const storageKey = 'pagelm-settings';
const form = () => element('settings', HTMLFormElement);

/** Fields of GenerateOptions that are numbers, by the ids of their inputs. */
const numbers = /** @type {const} */ ({
  temperature: 'temperature',
  'top-k': 'topK',
  'top-p': 'topP',
  'min-p': 'minP',
  'repetition-penalty': 'repetitionPenalty',
  'presence-penalty': 'presencePenalty',
  'frequency-penalty': 'frequencyPenalty',
  seed: 'seed',
  'max-tokens': 'maxTokens',
});

export function setUpSettings() {
  const dialog = element('settings-dialog', HTMLDialogElement);
  const values = kept();
  for (const field of fields()) field.value = values[field.id] ?? field.value;
  showTheme(textOf('theme'));
  element('open-settings', HTMLButtonElement).addEventListener('click', () => dialog.showModal());
  element('close-settings', HTMLButtonElement).addEventListener('click', () => dialog.close());
  element('reset-settings', HTMLButtonElement).addEventListener('click', () => {
    form().reset();
    keep();
    showTheme(textOf('theme'));
  });
  dialog.addEventListener('pointerdown', (event) => {
    if (event.target === dialog) dialog.close(); // on the backdrop: the sheet fills the dialog
  });
  form().addEventListener('submit', (event) => {
    event.preventDefault();
    dialog.close();
  });
  form().addEventListener('input', () => {
    keep();
    showTheme(textOf('theme'));
  });
}

/** @param {ModelInfo} info @returns {{ system: string, options: ChatOptions }} */
export function answerSettings(info) {
  /** @type {ChatOptions} */
  const options = {};
  for (const [id, key] of Object.entries(numbers)) options[key] = numberOf(id);
  const stop = textOf('stop-texts').split('\n').filter(Boolean);
  if (stop.length) options.stop = stop;
  const thinking = textOf('thinking');
  if (thinking && info.reasoning === 'optional') options.enableThinking = thinking === 'on';
  return { system: textOf('system').trim(), options };
}

/** @returns {LoadOptions} @throws {Error} for a mirror that the page cannot reach */
export function loadSettings() {
  const contextLength = numberOf('context-length');
  return { ...(contextLength !== undefined && { contextLength }), ...hubOptions(textOf('hub-token'), textOf('hub-mirror')) };
}

/** For a page without the dialog: the hub as it was set in that of the chat. @returns {LoadOptions} @throws {Error} as {@link loadSettings} */
export function keptHub() {
  const { 'hub-token': token = '', 'hub-mirror': mirror = '' } = kept();
  return hubOptions(token, mirror);
}

/** For a page without the dialog: the look that was set in that of the chat. */
export const showKeptTheme = () => showTheme(kept().theme);

/** @param {string} tokenText @param {string} mirrorText @returns {LoadOptions} */
function hubOptions(tokenText, mirrorText) {
  const [token, baseUrl] = [tokenText.trim(), mirrorText.trim()];
  if (baseUrl && URL.canParse(baseUrl)) checkReach(new URL(baseUrl));
  return token || baseUrl ? { hub: { ...(token && { token }), ...(baseUrl && { baseUrl }) } } : {};
}

/** @param {string} id */
function numberOf(id) {
  const { valueAsNumber } = element(id, HTMLInputElement);
  return Number.isNaN(valueAsNumber) ? undefined : valueAsNumber;
}

/** @param {string} id */
const textOf = (id) => /** @type {HTMLTextAreaElement | HTMLSelectElement} */ (element(id, HTMLElement)).value;

/** The named fields of the form. @returns {(HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement)[]} */
const fields = () => /** @type {any[]} */ ([...form().elements]).filter(({ id, tagName }) => id && tagName !== 'BUTTON');

function keep() {
  try {
    localStorage.setItem(storageKey, JSON.stringify(Object.fromEntries(fields().map(({ id, value }) => [id, value]))));
  } catch {
    // storage is forbidden or full: the settings last as long as the page
  }
}

/** What was kept, by the ids of the fields. @returns {Record<string, string>} */
function kept() {
  try {
    const values = Object.entries(JSON.parse(localStorage.getItem(storageKey) ?? '{}') ?? {});
    return Object.fromEntries(values.filter(([, value]) => typeof value === 'string'));
  } catch {
    return {};
  }
}

/** Without one it is the system's; the two that are there are said to the style sheet. @param {string | undefined} theme */
function showTheme(theme) {
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}
