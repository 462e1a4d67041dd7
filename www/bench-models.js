// The models of a measurement: a box to tick for each that the page knows, and for whatever is added by address or as a file.
import { defaultModel } from './default-model.js';
import { formatBytes } from './format.js';
import { clearError, element, showError } from './page.js';
import { recentModels } from './recent.js';
import { nameOf, sourceOf } from './store.js';

/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {{ name: string, source: ModelSource }} Candidate */

/** @type {Candidate[]} by the values of the boxes */
const candidates = [];

/** The default model is ticked. */
export async function setUpModels() {
  setUpAddress();
  setUpFile();
  const { name, detail, source } = await defaultModel();
  add({ name, source }, detail.split(' · ').slice(0, 2).join(' · '), true);
  for (const used of recentModels()) {
    if (used.source && used.name !== name) add({ name: used.name, source: used.source }, 'used lately');
  }
  /** @type {import('./library.js').Family[]} */
  const families = await (await fetch('./models.json')).json();
  for (const file of families.flatMap(({ files }) => files)) {
    add({ name: `${file.name} ${file.quantisation}`, source: sourceOf(file.source) }, formatBytes(file.bytes));
  }
}

/** What is ticked, in the order of the list. @returns {Candidate[]} */
export const chosenModels = () => new FormData(element('plan', HTMLFormElement)).getAll('model').map((value) => candidates[Number(value)]);

/** @param {Candidate} candidate @param {string} detail @param {boolean} [isChosen] */
function add(candidate, detail, isChosen = false) {
  const item = document.createElement('li');
  const label = document.createElement('label');
  const box = document.createElement('input');
  const note = document.createElement('small');
  box.type = 'checkbox';
  box.name = 'model';
  box.value = String(candidates.push(candidate) - 1);
  box.checked = isChosen;
  note.textContent = detail;
  label.append(box, ` ${candidate.name} `, note);
  item.append(label);
  element('model-list', HTMLElement).append(item);
  return item;
}

/** @param {Candidate} candidate @param {string} detail */
function addChosen(candidate, detail) {
  clearError();
  add(candidate, detail, true).scrollIntoView({ block: 'nearest' });
}

function setUpAddress() {
  const field = element('address', HTMLInputElement);
  const addAddress = () => {
    try {
      const source = sourceOf(field.value);
      addChosen({ name: nameOf(String(source.url)), source }, 'by address');
      field.value = '';
    } catch (error) {
      showError('This is no address of a model.', error);
    }
  };
  element('add-address', HTMLButtonElement).addEventListener('click', addAddress);
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    event.preventDefault(); // it would begin to measure
    addAddress();
  });
}

function setUpFile() {
  const field = element('file', HTMLInputElement);
  field.addEventListener('change', () => {
    const files = [...(field.files ?? [])].sort((a, b) => a.name.localeCompare(b.name));
    field.value = '';
    // the parts of a split model are one, whatever else is chosen together is several
    const modelOf = (/** @type {File} */ { name }) => name.replace(/-\d{5}-of-(\d{5}\.gguf)$/i, '-$1');
    for (const model of new Set(files.map(modelOf))) {
      const parts = files.filter((file) => modelOf(file) === model);
      const bytes = parts.reduce((sum, { size }) => sum + size, 0);
      addChosen({ name: nameOf(parts[0].name), source: parts.length === 1 ? parts[0] : parts }, `a file · ${formatBytes(bytes)}`);
    }
  });
}
