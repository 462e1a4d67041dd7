// The models that are kept on this device: load, keep, check, save and delete them, and how much room they take.
import { formatBytes } from './format.js';
import { announce, element, showError, showNotice } from './page.js';
import { download } from './exchange.js';
import { recentModels } from './recent.js';
import { mayHaveModels, modelStore, nameOf } from './store.js';

/** @typedef {import('./pagelm.js').StoredModelInfo} StoredModelInfo */
/** @typedef {import('./conversations.js').UsedModel} UsedModel */

/** The name it was chosen by, or what it calls itself. @param {StoredModelInfo} model */
const titleOf = ({ facts, sources }) => recentModels().find(({ source }) => source?.url === sources[0])?.name
  ?? (facts?.name ? `${facts.name} ${facts.quantisation}` : nameOf(sources[0] ?? '') || 'A model without a name');

/** How to get it again: by its address and hash, which needs no network while it is here; imported ones by their content. @param {StoredModelInfo} model @returns {UsedModel} */
function usedOf(model) {
  const [url, ...others] = model.sources;
  const hashes = model.files.map(({ sha256 }) => sha256);
  const name = titleOf(model);
  if (!/^https?:/.test(url ?? '')) return { name, stored: model.id };
  return { name, source: others.length ? { url: model.sources, sha256: hashes } : { url, sha256: hashes[0] } };
}

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

  /** What may have changed since it was last looked at. @returns {Promise<Set<string>>} the addresses of what is here */
  async refresh() {
    try {
      if (!(await mayHaveModels())) return this.#draw([], undefined);
      const store = await modelStore();
      const [models, usage] = await Promise.all([store.list(), store.usage()]);
      return this.#draw(models, usage);
    } catch {
      // this browser keeps nothing, or forbids it here: models are loaded anew each time
      element('stored', HTMLElement).hidden = true;
      return new Set();
    }
  }

  /** @param {StoredModelInfo[]} models @param {import('./pagelm.js').StoreUsage | undefined} usage */
  #draw(models, usage) {
    element('stored', HTMLElement).hidden = !usage;
    this.#list.replaceChildren(...models.map((model) => this.#row(model)));
    if (usage) showUsage(usage);
    return new Set(models.flatMap(({ sources }) => sources));
  }

  /** @param {StoredModelInfo} model */
  #row(model) {
    const name = titleOf(model);
    const item = document.createElement('li');
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
      button('Load', name, () => this.#start(usedOf(model))),
      pin,
      button('Check', name, () => this.#check(model, name)),
      button('Save as file', name, () => this.#save(model, name)),
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

  /** @param {string} failure @param {(store: import('./pagelm.js').Models) => Promise<void>} act */
  async #act(failure, act) {
    try {
      await act(await modelStore());
    } catch (error) {
      showError(failure, error);
    }
    await this.refresh();
  }
}

/** @param {import('./pagelm.js').StoreUsage} usage */
function showUsage({ models, modelBytes, unfinishedBytes, quota, usage, persisted }) {
  const known = quota !== null && usage !== null;
  const meter = element('space-meter', HTMLMeterElement);
  meter.hidden = !known;
  if (known) meter.value = usage / quota;
  element('space-text', HTMLElement).textContent = [
    `${models} ${models === 1 ? 'model' : 'models'}, ${formatBytes(modelBytes)}`,
    unfinishedBytes > 0 && `${formatBytes(unfinishedBytes)} of unfinished downloads, which go on when they are loaded again`,
    known && `${formatBytes(usage)} of ${formatBytes(quota)} in use`,
    persisted ? 'the browser keeps them for good' : 'the browser may clear them when the disk is full',
  ].filter(Boolean).join(' · ');
}

/** @param {string} text @param {string} name  of the model, for who cannot see the row @param {() => void} act */
function button(text, name, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'small';
  made.textContent = text;
  made.setAttribute('aria-label', `${text} ${name}`);
  made.addEventListener('click', act);
  return made;
}
