// The benchmark page: what to measure, the runs one after the other, and their results beside those of other machines.
import { chart } from './chart.js';
import { download } from './exchange.js';
import { measure } from './measure.js';
import { announce, clearError, element, fillFacts, showError } from './page.js';
import { fromFile, thisMachine, toFile } from './report.js';
import { recentModels } from './recent.js';
import { sourceOf } from './store.js';

/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {import('./report.js').Report} Report */
/** @typedef {import('./measure.js').Run} Run */

const machine = thisMachine();
/** @type {Run[]} of this machine */
let runs = [];
/** @type {Report[]} of others */
let imported = [];
/** @type {AbortController | undefined} */
let current;

/** @type {Map<string, () => ModelSource>} by the values of the select */
const sources = new Map();

async function setUpModels() {
  const select = element('model', HTMLSelectElement);
  const add = (/** @type {string} */ name, /** @type {() => ModelSource} */ source) => {
    const value = String(sources.size);
    sources.set(value, source);
    select.add(new Option(name, value));
  };
  const { name, file, sha256 } = await (await fetch('./default-model.json')).json();
  add(name, () => ({ url: new URL(`./models/${file}`, document.baseURI).href, sha256 }));
  for (const used of recentModels()) {
    if (used.source && used.name !== name) add(used.name, () => /** @type {ModelSource} */ (used.source));
  }
  for (const family of await (await fetch('./models.json')).json()) {
    for (const { name: model, quantisation, source } of family.files) add(`${model} ${quantisation}`, () => sourceOf(source));
  }
  select.add(new Option('an address…', 'address'));
  select.add(new Option('a file…', 'file'));
  select.addEventListener('change', () => {
    element('address-row', HTMLElement).hidden = select.value !== 'address';
    element('file-row', HTMLElement).hidden = select.value !== 'file';
  });
}

/** @returns {ModelSource} */
function chosenSource() {
  const { value } = element('model', HTMLSelectElement);
  if (value === 'address') return sourceOf(element('address', HTMLInputElement).value);
  if (value === 'file') {
    const file = element('file', HTMLInputElement).files?.[0];
    if (!file) throw new Error('Choose a .gguf file first.');
    return file;
  }
  return /** @type {() => ModelSource} */ (sources.get(value))();
}

/** @param {string} name */
const checked = (name) => new FormData(element('plan', HTMLFormElement)).getAll(name).map(String);

function chosenThreads() {
  const text = element('threads', HTMLInputElement).value.trim();
  if (!text) return [undefined];
  const counts = text.split(/[\s,]+/).map(Number);
  if (!counts.every((count) => Number.isInteger(count) && count >= 1 && count <= 64)) throw new Error(`"${text}" is no list of thread counts from 1 to 64.`);
  return counts;
}

/** Every backend that was chosen, the CPU with every number of threads. */
function plans() {
  const backends = checked('backend');
  const [prefill, decode] = [checked('prefill').map(Number), checked('decode').map(Number)];
  if (!backends.length || !(prefill.length + decode.length)) throw new Error('Choose at least one backend and one length.');
  const shared = { source: chosenSource(), prefill, decode, repetitions: element('repetitions', HTMLInputElement).valueAsNumber || 1 };
  return backends.flatMap((backend) => (backend === 'cpu' ? chosenThreads() : [undefined])
    .map((threads) => ({ ...shared, backend: /** @type {'cpu' | 'webgpu'} */ (backend), threads })));
}

async function run() {
  clearError();
  const controller = new AbortController();
  current = controller;
  showBusy(true);
  try {
    for (const plan of plans()) {
      const name = `${plan.backend === 'cpu' ? 'CPU' : 'WebGPU'}${plan.threads ? `, ${plan.threads} threads` : ''}`;
      runs = [...runs, await measure({ ...plan, signal: controller.signal }, (what) => showProgress(`${name}: ${what}`))];
      draw();
    }
    announce('The measurement is complete');
  } catch (error) {
    if (!controller.signal.aborted) showError('The measurement ended.', error);
  } finally {
    current = undefined;
    showBusy(false);
  }
}

/** @param {boolean} busy */
function showBusy(busy) {
  element('run', HTMLElement).hidden = busy;
  element('stop', HTMLElement).hidden = !busy;
  if (!busy) showProgress('');
}

/** @param {string} text */
function showProgress(text) {
  element('progress', HTMLElement).textContent = text;
}

function draw() {
  const all = [...runs.map((one) => ({ name: nameOf(one), run: one })), ...imported.flatMap((report) => report.runs.map((one) => ({ name: `${nameOf(one)} · ${report.machine.browser}, ${report.date.slice(0, 10)}`, run: one })))];
  const lines = (/** @type {'prefill' | 'decode'} */ kind) => all.map(({ name, run: one }) => ({ name, points: one[kind] })).filter(({ points }) => points.length);
  const charts = /** @type {const} */ ([['Prompt: tokens a second by length', 'prefill'], ['Answer: tokens a second by context', 'decode']])
    .map(([title, kind]) => /** @type {const} */ ([title, lines(kind)]))
    .filter(([, series]) => series.length)
    .map(([title, series]) => chart(title, series));
  element('charts', HTMLElement).replaceChildren(...charts);
  drawTable(all);
  element('no-results', HTMLElement).hidden = all.length > 0;
  element('export', HTMLButtonElement).disabled = runs.length === 0;
  element('clear', HTMLButtonElement).disabled = all.length === 0;
}

/** @param {Run} one */
const nameOf = ({ model, backend, threads }) => `${model}, ${backend === 'cpu' ? `CPU, ${threads} ${threads === 1 ? 'thread' : 'threads'}` : 'WebGPU'}`;

/** @param {{ name: string, run: Run }[]} all */
function drawTable(all) {
  const columns = /** @type {const} */ (['prefill', 'decode']).flatMap((kind) => [...new Set(all.flatMap(({ run: one }) => one[kind].map(({ tokens }) => tokens)))]
    .sort((a, b) => a - b).map((tokens) => ({ kind, tokens })));
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  for (const text of ['Tokens a second', ...columns.map(({ kind, tokens }) => `${kind === 'prefill' ? 'prompt' : 'answer at'} ${tokens}`), 'first token', 'open', 'compile', 'read', 'upload', 'prompt of 16']) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = text;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const { name, run: one } of all) {
    const row = body.insertRow();
    const rowHead = document.createElement('th');
    rowHead.scope = 'row';
    rowHead.textContent = name;
    row.append(rowHead);
    for (const { kind, tokens } of columns) row.insertCell().textContent = one[kind].find((point) => point.tokens === tokens)?.rate.toFixed(1) ?? '–';
    const { stored, openMs, compileMs, readMs, uploadMs, promptMs } = one.start;
    const parts = [openMs, compileMs, readMs, uploadMs, promptMs];
    row.insertCell().textContent = `${milliseconds(parts.reduce((sum, part) => sum + part, 0))}${stored ? '' : ', downloaded'}`;
    for (const part of parts) row.insertCell().textContent = milliseconds(part);
  }
  element('table', HTMLElement).hidden = all.length === 0;
  element('table', HTMLElement).replaceChildren(table);
}

/** @param {number} ms */
const milliseconds = (ms) => `${Math.round(ms).toLocaleString('en')} ms`;

async function showMachine() {
  const { browser, system, cores, memory, adapter, isolated } = await machine;
  fillFacts(element('machine', HTMLElement), [
    ['Browser', `${browser} on ${system}`],
    ['Cores', String(cores)],
    ['Memory', memory],
    ['WebGPU adapter', adapter],
    ['Isolated', isolated ? 'yes: threads can share memory' : 'no: one thread'],
  ]);
}

element('plan', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  if (!current) run();
});
element('stop', HTMLButtonElement).addEventListener('click', () => current?.abort());
element('error-close', HTMLButtonElement).addEventListener('click', clearError);
element('clear', HTMLButtonElement).addEventListener('click', () => {
  runs = [];
  imported = [];
  draw();
});
element('export', HTMLButtonElement).addEventListener('click', async () => download(toFile({ machine: await machine, date: new Date().toISOString(), runs })));
const importField = element('import', HTMLInputElement);
importField.addEventListener('change', async () => {
  const file = importField.files?.[0];
  importField.value = '';
  if (!file) return;
  try {
    imported = [...imported, await fromFile(file)];
    draw();
  } catch (error) {
    showError(`${file.name} was not imported.`, error);
  }
});
showMachine();
setUpModels().catch((error) => showError('The list of models did not arrive.', error));
