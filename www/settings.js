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
  restore();
  showTheme();
  element('open-settings', HTMLButtonElement).addEventListener('click', () => dialog.showModal());
  element('close-settings', HTMLButtonElement).addEventListener('click', () => dialog.close());
  element('reset-settings', HTMLButtonElement).addEventListener('click', () => {
    form().reset();
    keep();
    showTheme();
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
    showTheme();
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
  /** @type {LoadOptions} */
  const options = {};
  const contextLength = numberOf('context-length');
  if (contextLength !== undefined) options.contextLength = contextLength;
  const [token, baseUrl] = [textOf('hub-token').trim(), textOf('hub-mirror').trim()];
  if (baseUrl && URL.canParse(baseUrl)) checkReach(new URL(baseUrl));
  if (token || baseUrl) options.hub = { ...(token && { token }), ...(baseUrl && { baseUrl }) };
  return options;
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

function restore() {
  let kept;
  try {
    kept = JSON.parse(localStorage.getItem(storageKey) ?? '{}');
  } catch {
    return;
  }
  if (typeof kept !== 'object' || kept === null) return;
  for (const field of fields()) {
    if (typeof kept[field.id] === 'string') field.value = kept[field.id];
  }
}

/** `auto` follows the system; the other two are said to the style sheet. */
function showTheme() {
  const theme = textOf('theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}
