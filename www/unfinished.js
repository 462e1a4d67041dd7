// Downloads that were paused, or that a closed tab has left: how far they are, go on with them, or delete them.
import { formatBytes } from './format.js';
import { rowButton } from './page.js';
import { nameOf } from './store.js';

/** @typedef {import('./pagelm.js').UnfinishedDownload} UnfinishedDownload */
/** @typedef {import('./conversations.js').UsedModel} UsedModel */
/** @typedef {{ address: string, ids: string[], bytes: number, total: number, isActive: boolean }} Group */
/**
 * @typedef {object} Acts
 * @property {(address: string) => UsedModel | undefined} used  what was loaded from there lately
 * @property {(used: UsedModel) => void} start
 * @property {(ids: string[], name: string) => void} discard
 */

/** A row for each model. @param {UnfinishedDownload[]} unfinished @param {Acts} acts */
export const rowsOf = (unfinished, acts) => grouped(unfinished).map((group) => row(group, acts));

/** The files of a split model are one download: its address is that of the first. @param {UnfinishedDownload[]} unfinished */
function grouped(unfinished) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const { id, source, bytes, total, isActive } of unfinished) {
    const address = source.replace(/-\d{5}(-of-\d{5}\.gguf)/i, '-00001$1');
    const group = groups.get(address) ?? { address, ids: [], bytes: 0, total: 0, isActive: false };
    groups.set(address, { address, ids: [...group.ids, id], bytes: group.bytes + bytes, total: group.total + total, isActive: group.isActive || isActive });
  }
  return [...groups.values()];
}

/** @param {Group} group @param {Acts} acts */
function row({ address, ids, bytes, total, isActive }, { used, start, discard }) {
  const known = used(address) ?? { name: nameOf(address), source: { url: address } };
  const item = document.createElement('li');
  const name = document.createElement('span');
  const size = document.createElement('span');
  const tools = document.createElement('span');
  item.className = 'unfinished';
  item.dataset.id = ids[0];
  name.className = 'file-name';
  name.textContent = known.name;
  size.className = 'file-size';
  size.textContent = `${formatBytes(bytes)} of ${formatBytes(total)}`;
  tools.className = 'tools';
  tools.append(bar(bytes, total, `How much of ${known.name} has arrived`));
  if (isActive) tools.append('in another tab');
  // a copy of a file that was cut short has no address to go on from
  else if (/^https?:/.test(address)) tools.append(rowButton('Go on', known.name, () => start(known)));
  if (!isActive) tools.append(rowButton('Delete', known.name, () => discard(ids, known.name)));
  item.append(name, size, tools);
  return item;
}

/** @param {number} value @param {number} max @param {string} label */
function bar(value, max, label) {
  const made = document.createElement('progress');
  made.value = value;
  made.max = max;
  made.setAttribute('aria-label', label);
  return made;
}
