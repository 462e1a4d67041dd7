// A file is read where it lies and has to be chosen again next time, unless it is copied into the store.
import { announce, showError, showNotice } from './page.js';
import { modelStore } from './store.js';

/** @typedef {import('./conversations.js').UsedModel} UsedModel */

/** @param {import('./pagelm.js').ModelSource} source  a file, or all parts of one @param {UsedModel} used  is told where the copy is */
export async function offerCopy(source, used) {
  const store = await modelStore();
  if (!(await store.usage().catch(() => undefined))?.isAvailable) return;
  showNotice(`${used.name} was read from your file and is not kept.`, { label: 'Keep a copy', act: () => copy(store, source, used) });
}

/** @param {import('./pagelm.js').Models} store @param {import('./pagelm.js').ModelSource} source @param {UsedModel} used */
async function copy(store, source, used) {
  showNotice(`${used.name} is being copied.`, undefined, { stays: true });
  try {
    const { id } = await store.import(/** @type {File | File[]} */ (source));
    used.stored = id;
    showNotice(`${used.name} is kept on this device.`);
    announce(`${used.name} is kept`);
  } catch (error) {
    showError(`${used.name} was not copied.`, error);
  }
}
