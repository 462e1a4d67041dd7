// The results of this machine beside those of others: charts, a table of runs, and a table of the machines that they are from.
import { chart } from './chart.js';
import { element } from './page.js';

/** @typedef {import('./measure.js').Run} Run */
/** @typedef {import('./report.js').Machine} Machine */
/** @typedef {{ machine: Machine, date: string, runs: Run[] }} Sheet  of a machine; `date` is empty for this one, which measures now */
/** @typedef {{ name: string, where: string, run: Run }} Row */

const thisOne = 'this machine';

/** @param {Sheet[]} sheets  this machine's first */
export function drawResults(sheets) {
  const rows = rowsOf(sheets);
  const isAlone = sheets.length === 1;
  const lines = (/** @type {'prefill' | 'decode'} */ kind) => rows
    .map(({ name, where, run }) => ({ name: isAlone ? name : `${name} · ${where}`, points: run[kind] }))
    .filter(({ points }) => points.length);
  const charts = /** @type {const} */ ([['Prompt: tokens a second by length', 'prefill'], ['Answer: tokens a second by context', 'decode']])
    .map(([title, kind]) => /** @type {const} */ ([title, lines(kind)]))
    .filter(([, series]) => series.length)
    .map(([title, series]) => chart(title, series));
  element('charts', HTMLElement).replaceChildren(...charts);
  fill('table', rows.length ? tableOfRuns(rows, isAlone) : undefined);
  fill('machines', isAlone ? undefined : tableOfMachines(sheets));
  element('machines-part', HTMLElement).hidden = isAlone;
  element('no-results', HTMLElement).hidden = rows.length > 0;
}

/** What is called A, B and so on in the rows. @param {number} index  of a sheet */
const letterOf = (index) => (index === 0 ? thisOne : index <= 26 ? String.fromCharCode(64 + index) : `machine ${index}`);

/** What was measured in the same way on several machines lies together. @param {Sheet[]} sheets @returns {Row[]} */
function rowsOf(sheets) {
  const rows = sheets.flatMap(({ runs }, index) => runs.map((run) => ({ name: nameOf(run), where: letterOf(index), run })));
  return [...new Set(rows.map(({ name }) => name))].flatMap((name) => rows.filter((row) => row.name === name));
}

/** @param {Run} run */
const nameOf = ({ model, backend, threads }) => `${model}, ${backend === 'cpu' ? `CPU, ${threads} ${threads === 1 ? 'thread' : 'threads'}` : 'WebGPU'}`;

/** @param {Row[]} rows @param {boolean} isAlone  then there is no machine to name */
function tableOfRuns(rows, isAlone) {
  const lengths = /** @type {const} */ (['prefill', 'decode']).flatMap((kind) => [...new Set(rows.flatMap(({ run }) => run[kind].map(({ tokens }) => tokens)))]
    .sort((a, b) => a - b).map((tokens) => ({ kind, tokens })));
  const heads = lengths.map(({ kind, tokens }) => `${kind === 'prefill' ? 'prompt' : 'answer at'} ${tokens}`);
  const table = tableWith(['Tokens a second', ...(isAlone ? [] : ['machine']), ...heads, 'first token', 'open', 'compile', 'read', 'upload', 'prompt of 16']);
  for (const { name, where, run } of rows) {
    const rates = lengths.map(({ kind, tokens }) => run[kind].find((point) => point.tokens === tokens)?.rate.toFixed(1) ?? '–');
    const { stored, openMs, compileMs, readMs, uploadMs, promptMs } = run.start;
    const parts = [openMs, compileMs, readMs, uploadMs, promptMs];
    const first = `${milliseconds(parts.reduce((sum, part) => sum + part, 0))}${stored ? '' : ', downloaded'}`;
    addRow(table, name, [...(isAlone ? [] : [where]), ...rates, first, ...parts.map(milliseconds)]).title = `Run by ${run.device}`;
  }
  return table;
}

/** @param {Sheet[]} sheets */
function tableOfMachines(sheets) {
  const table = tableWith(['', ...sheets.map((_, index) => letterOf(index))]);
  for (const [what, value] of machineFacts) addRow(table, what, sheets.map(({ machine }) => value(machine)));
  addRow(table, 'Measured', sheets.map(({ date, runs }) => (date ? `${date.slice(0, 10)}, ${date.slice(11, 16)} UTC` : runs.length ? 'now' : 'nothing yet')));
  return table;
}

/** @type {[string, (machine: Machine) => string][]} */
export const machineFacts = [
  ['Browser', ({ browser, system }) => `${browser} on ${system}`],
  ['Cores', ({ cores }) => String(cores)],
  ['Memory', ({ memory }) => memory],
  ['WebGPU adapter', ({ adapter }) => adapter],
  ['Isolated', ({ isolated }) => (isolated ? 'yes: threads can share memory' : 'no: one thread')],
];

/** @param {string[]} heads */
function tableWith(heads) {
  const table = document.createElement('table');
  const row = table.createTHead().insertRow();
  table.createTBody();
  for (const text of heads) row.append(text ? headCell(text, 'col') : document.createElement('td'));
  return table;
}

/** @param {HTMLTableElement} table @param {string} name @param {string[]} cells */
function addRow(table, name, cells) {
  const row = table.tBodies[0].insertRow();
  row.append(headCell(name, 'row'));
  for (const text of cells) row.insertCell().textContent = text;
  return row;
}

/** @param {string} text @param {'col' | 'row'} scope */
function headCell(text, scope) {
  const cell = document.createElement('th');
  cell.scope = scope;
  cell.textContent = text;
  return cell;
}

/** @param {'table' | 'machines'} id @param {HTMLTableElement | undefined} table */
function fill(id, table) {
  const frame = element(id, HTMLElement);
  frame.hidden = !table;
  frame.replaceChildren(...(table ? [table] : []));
}

/** @param {number} ms */
const milliseconds = (ms) => `${Math.round(ms).toLocaleString('en')} ms`;
