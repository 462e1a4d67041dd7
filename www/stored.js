// The models that are kept on this device: load, keep, check, save and delete them, and how much room they take. Of downloads
// that were not complete, too: go on with them, or delete them.
import { formatBytes } from './format.js';
import { announce, element, rowButton as button, showError, showNotice } from './page.js';
import { download } from './exchange.js';
import { recentModels } from './recent.js';
import { leadsTo, mayHaveModels, modelStore, nameOf } from './store.js';
import { rowsOf } from './unfinished.js';

/** @typedef {import('./pagelm.js').StoredModelInfo} StoredModelInfo */
/** @typedef {import('./conversations.js').UsedModel} UsedModel */
/** @typedef {{ whole: Set<string>, all: Set<string> }} Here  addresses: of models that are here, and of begun downloads as well */

/** The name it was chosen by, or what it calls itself. @param {StoredModelInfo} model */
const titleOf = ({ facts, sources }) => usedAt(sources[0])?.name
  ?? (facts?.name ? `${facts.name} ${facts.quantisation}` : nameOf(sources[0] ?? '') || 'A model without a name');

/**
 * What each is called in the list: versions of one model, which lie side by side, are told apart by when they came and by their hash.
 * @param {StoredModelInfo[]} models @returns {Map<StoredModelInfo, string>}
 */
function namesOf(models) {
  const titles = models.map(titleOf);
  return new Map(models.map((model, index) => {
    const isAlone = titles.indexOf(titles[index]) === titles.lastIndexOf(titles[index]);
    const day = new Date(model.addedAt).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' });
    return [model, isAlone ? titles[index] : `${titles[index]} · ${day} · ${model.id.slice(0, 8)}`];
  }));
}

/**
 * How to get it again: by its address and hash, which needs no network while it is here; imported ones by their content.
 * @param {StoredModelInfo} model @param {string} name @returns {UsedModel}
 */
function usedOf(model, name) {
  const [url, ...others] = model.sources;
  const hashes = model.files.map(({ sha256 }) => sha256);
  if (!/^https?:/.test(url ?? '')) return { name, stored: model.id };
  // an address of the hub is kept as it was given: the access token goes with it
  return { name, source: others.length ? { url: model.sources, sha256: hashes } : { url: usedAt(url)?.source?.url ?? url, sha256: hashes[0] } };
}

/** What was loaded from there, if that was lately. @param {string | undefined} address */
const usedAt = (address) => recentModels().find(({ source }) => leadsTo(source, address));

export class Stored {
  #start;
  #list = element('stored-list', HTMLElement);

  /** @param {(used: UsedModel) => void} start */
  constructor(start) {
    this.#start = start;
    const file = element('import-model', HTMLInputElement);
    file.addEventListener('change', () => {
      const files = [...(file.files ?? [])].sort((a, b) => a.name.localeCompare(b.name));
      file.value = '';
      if (files.length) this.#act(`${files[0].name} was not imported.`, async (store) => { await store.import(files); });
    });
  }

  /** What may have changed since it was last looked at. @returns {Promise<Here>} */
  async refresh() {
    try {
      if (recentModels().length === 0 && !(await mayHaveModels())) return this.#draw([], [], undefined);
      const store = await modelStore();
      const [models, unfinished, usage] = await Promise.all([store.list(), store.unfinished(), store.usage()]);
      return this.#draw(models, unfinished, usage.isAvailable ? usage : undefined);
    } catch {
      // this browser keeps nothing, or forbids it here: models are loaded anew each time
      element('stored', HTMLElement).hidden = true;
      return { whole: new Set(), all: new Set() };
    }
  }

  /**
   * @param {StoredModelInfo[]} models @param {import('./pagelm.js').UnfinishedDownload[]} unfinished
   * @param {import('./pagelm.js').StoreUsage | undefined} usage @returns {Here}
   */
  #draw(models, unfinished, usage) {
    element('stored', HTMLElement).hidden = !usage;
    this.#list.replaceChildren(
      ...[...namesOf(models)].map(([model, name]) => this.#row(model, name)),
      ...rowsOf(unfinished, { used: usedAt, start: this.#start, discard: (ids, name) => this.#discard(ids, name) }),
    );
    if (usage) showUsage(usage, unfinished.reduce((sum, { bytes }) => sum + bytes, 0));
    const whole = new Set(models.flatMap(({ sources }) => sources));
    return { whole, all: new Set([...whole, ...unfinished.map(({ source }) => source)]) };
  }

  /** @param {StoredModelInfo} model @param {string} name */
  #row(model, name) {
    const item = document.createElement('li');
    item.dataset.id = model.id;
    const text = document.createElement('span');
    const size = document.createElement('span');
    text.className = 'file-name';
    text.textContent = name;
    size.className = 'file-size';
    size.textContent = formatBytes(model.bytes);
    const pin = button(model.pinned ? 'Kept' : 'Keep', name, () => this.#act(`${name} was not changed.`, async (store) => { await store.pin(model.id, !model.pinned); }));
    pin.setAttribute('aria-pressed', String(model.pinned));
    pin.title = 'What is kept is never removed to make room.';
    const tools = document.createElement('span');
    tools.className = 'tools';
    tools.append(
      button('Load', name, () => this.#start(usedOf(model, name))),
      pin,
      button('Check', name, () => this.#check(model, name)),
      button('Save', name, () => this.#save(model, name)),
      button('Delete', name, () => this.#remove(model, name)),
    );
    item.append(text, size, tools);
    return item;
  }

  /** @param {StoredModelInfo} model @param {string} name */
  #check(model, name) {
    showNotice(`${name} is being checked.`, undefined, { stays: true });
    return this.#act(`${name} was not checked.`, async (store) => {
      const { ok } = await store.verify(model.id);
      showNotice(ok ? `${name} is as it was published.` : `${name} was damaged and is removed. Load it again to download it anew.`);
    });
  }

  /** @param {StoredModelInfo} model @param {string} name */
  #save(model, name) {
    return this.#act(`${name} was not saved.`, async (store) => {
      const blobs = await store.export(model.id);
      blobs.forEach((blob, index) => {
        const file = `${nameOf(model.sources[index] ?? model.sources[0] ?? name)}.gguf`;
        download(new File([blob], file));
      });
    });
  }

  /** @param {StoredModelInfo} model @param {string} name */
  #remove(model, name) {
    return this.#act(`${name} was not deleted.`, async (store) => {
      await store.remove(model.id);
      announce(`${name} is deleted`);
    });
  }

  /** @param {string[]} ids @param {string} name */
  #discard(ids, name) {
    return this.#act(`${name} was not deleted.`, async (store) => {
      for (const id of ids) await store.discard(id);
      announce(`What had arrived of ${name} is deleted`);
    });
  }

  /** @param {string} failure @param {(store: import('./pagelm.js').Models) => Promise<void>} act */
  async #act(failure, act) {
    const goBack = placeOfFocus(this.#list);
    try {
      await act(await modelStore());
    } catch (error) {
      showError(failure, error);
    }
    await this.refresh();
    goBack();
  }
}

/** Rows are made anew: the focus goes to the same button of the same row, or to the heading where the row is gone. @param {HTMLElement} list */
function placeOfFocus(list) {
  const { activeElement } = document;
  const row = /** @type {HTMLElement | null | undefined} */ (list.contains(activeElement) ? activeElement?.closest('li') : undefined);
  const place = [...row?.querySelectorAll('button') ?? []].findIndex((one) => one === activeElement);
  return () => {
    if (!row || (document.activeElement && document.activeElement !== document.body)) return;
    const again = list.querySelector(`[data-id="${CSS.escape(row.dataset.id ?? '')}"]`)?.querySelectorAll('button')[place];
    (again ?? element('stored-title', HTMLElement)).focus();
  };
}

/** @param {import('./pagelm.js').StoreUsage} usage @param {number} unfinishedBytes  that have arrived, without the holes that count as used */
function showUsage({ models, modelBytes, quota, usage, persisted }, unfinishedBytes) {
  const known = quota !== null && usage !== null;
  const meter = element('space-meter', HTMLMeterElement);
  meter.hidden = !known;
  if (known) meter.value = usage / quota;
  element('space-text', HTMLElement).textContent = [
    models === 0 ? 'no model' : `${models} ${models === 1 ? 'model' : 'models'}, ${formatBytes(modelBytes)}`,
    unfinishedBytes > 0 && `${formatBytes(unfinishedBytes)} of unfinished downloads`,
    known && `${formatBytes(usage)} of ${formatBytes(quota)} in use`,
    persisted ? 'the browser keeps them for good' : 'the browser may clear them when the disk is full',
  ].filter(Boolean).join(' · ');
}
