// The benchmark page: what to measure, the runs one after the other, and their results beside those of other machines.
import { chosenModels, setUpModels } from './bench-models.js';
import { drawResults, machineFacts } from './bench-results.js';
import { download } from './exchange.js';
import { measure } from './measure.js';
import { announce, clearError, element, fillFacts, showError } from './page.js';
import { fromFile, thisMachine, toFile } from './report.js';
import { keptHub, showKeptTheme } from './settings.js';

/** @typedef {import('./report.js').Report} Report */
/** @typedef {import('./measure.js').Run} Run */
/** @typedef {Omit<import('./measure.js').Plan, 'signal'> & { name: string }} NamedPlan */

const machine = thisMachine();
/** @type {Run[]} of this machine */
let runs = [];
/** @type {Report[]} of others */
let imported = [];
/** @type {AbortController | undefined} */
let current;

/** @param {string} name */
const checked = (name) => new FormData(element('plan', HTMLFormElement)).getAll(name).map(String);

function chosenThreads() {
  const text = element('threads', HTMLInputElement).value.trim();
  if (!text) return [undefined];
  const counts = text.split(/[\s,]+/).map(Number);
  if (!counts.every((count) => Number.isInteger(count) && count >= 1 && count <= 64)) throw new Error(`"${text}" is no list of thread counts from 1 to 64.`);
  return counts;
}

/** Every model that was chosen, on every backend, on the CPU with every number of threads. @returns {NamedPlan[]} */
function plans() {
  const [models, backends] = [chosenModels(), checked('backend')];
  const [prefill, decode] = [checked('prefill').map(Number), checked('decode').map(Number)];
  if (!models.length || !backends.length || !(prefill.length + decode.length)) throw new Error('Choose at least one model, one backend and one length.');
  const repetitions = element('repetitions', HTMLInputElement).valueAsNumber || 1;
  const places = backends.flatMap((backend) => (backend === 'cpu' ? chosenThreads() : [undefined])
    .map((threads) => ({ backend: /** @type {'cpu' | 'webgpu'} */ (backend), threads })));
  const hub = keptHub();
  return models.flatMap(({ name, source }) => places.map(({ backend, threads }) => ({
    name: `${name}, ${backend === 'cpu' ? 'CPU' : 'WebGPU'}${threads ? `, ${threads} ${threads === 1 ? 'thread' : 'threads'}` : ''}`,
    source, options: { ...hub, backend, ...(threads && { threads }) }, prefill, decode, repetitions,
  })));
}

async function run() {
  clearError();
  const controller = new AbortController();
  current = controller;
  showBusy(true);
  try {
    const all = plans();
    /** @type {{ name: string, error: unknown }[]} */
    const failures = [];
    for (const [index, { name, ...plan }] of all.entries()) {
      const place = all.length > 1 ? `${index + 1} of ${all.length} · ` : '';
      try {
        runs = [...runs, await measure({ ...plan, signal: controller.signal }, (what) => showProgress(`${place}${name}: ${what}`))];
      } catch (error) {
        controller.signal.throwIfAborted();
        failures.push({ name, error }); // one model that does not fit is no reason not to measure the others
      }
      draw();
    }
    if (failures.length) showFailures(failures, all.length);
    announce('The measurement is complete');
  } catch (error) {
    if (!controller.signal.aborted) showError('The measurement ended.', error);
  } finally {
    current = undefined;
    showBusy(false);
  }
}

/** @param {{ name: string, error: unknown }[]} failures @param {number} count  of all runs */
function showFailures(failures, count) {
  const [{ name, error }] = failures;
  if (failures.length === 1) return showError(`${name} was not measured.`, error);
  const { code } = /** @type {{ code?: string }} */ (error ?? {});
  const message = failures.map((one) => `${one.name}: ${/** @type {{ message?: string }} */ (one.error).message ?? String(one.error)}`).join(' ');
  showError(`${failures.length} of ${count} were not measured.`, { code, message });
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

async function draw() {
  drawResults([{ machine: await machine, date: '', runs }, ...imported]);
  element('export', HTMLButtonElement).disabled = runs.length === 0;
  element('clear', HTMLButtonElement).disabled = runs.length + imported.length === 0;
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
  const files = [...(importField.files ?? [])];
  importField.value = '';
  for (const file of files) {
    try {
      imported = [...imported, await fromFile(file)];
    } catch (error) {
      showError(`${file.name} was not imported.`, error);
    }
  }
  draw();
});
showKeptTheme();
machine.then((facts) => fillFacts(element('machine', HTMLElement), machineFacts.map(([what, value]) => [what, value(facts)])));
setUpModels().catch((error) => showError('The list of models did not arrive.', error));
document.body.inert = false;
