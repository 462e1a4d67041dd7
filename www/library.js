// The models to choose from: the default one, a file, an address, what was loaded before, and the catalogue.
import { defaultModel } from './default-model.js';
import { fitOf, thisDevice } from './fit.js';
import { formatBytes } from './format.js';
import { showInspection } from './inspection.js';
import { element, showError } from './page.js';
import { recentModels } from './recent.js';
import { leadsTo, nameOf, sourceOf } from './store.js';
import { Stored } from './stored.js';

/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {import('./conversations.js').UsedModel} UsedModel */
/** @typedef {{ name: string, quantisation: string, bytes: number, source: string }} CatalogueFile */
/** @typedef {{ name: string, by: string, licence: string, about: string, files: CatalogueFile[] }} Family */
/** @typedef {Awaited<ReturnType<typeof thisDevice>>} Device */
/** @typedef {(source: ModelSource, used: UsedModel) => void} Start */

const fitNames = { fits: 'fits', tight: 'tight', 'too-large': 'too large' };

export class Library {
  #start;
  #stored;
  /** Of models that are on this device. @type {Set<string>} */
  #addresses = new Set();

  /** @param {Start} start @param {(used: UsedModel) => void} again  what was used before */
  constructor(start, again) {
    this.#start = start;
    this.#stored = new Stored(again);
    this.#setUpDefault();
    this.#setUpFile();
    this.#setUpAddress();
    this.#drawCatalogue();
    this.refresh();
  }

  /** What may have changed since it was last looked at. */
  async refresh() {
    const { whole, all } = await this.#stored.refresh();
    this.#addresses = whole;
    this.#drawRecent(all);
    this.#markStored();
  }

  async #setUpDefault() {
    const answer = defaultModel();
    element('choose-form', HTMLFormElement).addEventListener('submit', async (event) => {
      event.preventDefault();
      try {
        const { source, name } = await answer;
        this.#start(source, { name, source });
      } catch (error) {
        showError('The default model is not known.', error);
      }
    });
    const model = await answer.catch(() => undefined); // the button says why, when it is pressed
    if (!model) return;
    element('default-name', HTMLElement).textContent = model.name;
    element('default-detail', HTMLElement).textContent = model.detail;
  }

  #setUpFile() {
    const file = element('file', HTMLInputElement);
    const start = (/** @type {Iterable<File>} */ chosen) => {
      // the parts of a split model are numbered in their names
      const files = [...chosen].sort((a, b) => a.name.localeCompare(b.name));
      const stranger = files.find(({ name }) => !/\.gguf$/i.test(name));
      if (stranger) showError(`${stranger.name} is no .gguf file.`, new Error('Choose a model in the GGUF format.'));
      else if (files.length) this.#start(files.length === 1 ? files[0] : files, { name: files[0].name.replace(/\.gguf$/i, '') });
    };
    file.addEventListener('change', () => {
      start(file.files ?? []);
      file.value = ''; // so that the same file can be chosen again
    });
    setUpDrop(start);
  }

  #setUpAddress() {
    const field = element('address', HTMLInputElement);
    /** @param {(source: import('./pagelm.js').UrlSource, name: string) => void} act */
    const withAddress = (act) => {
      try {
        const source = sourceOf(field.value);
        act(source, nameOf(String(source.url)));
      } catch (error) {
        showError('This is no address of a model.', error);
      }
    };
    element('address-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      withAddress((source, name) => this.#start(source, { name, source }));
    });
    element('inspect', HTMLButtonElement).addEventListener('click', () => withAddress(showInspection));
  }

  /** @param {Set<string>} stored  addresses of what is on this device, whole or in part */
  #drawRecent(stored) {
    const recent = recentModels().filter(({ source }) => ![...stored].some((address) => leadsTo(source, address)));
    element('recent', HTMLElement).hidden = recent.length === 0;
    element('recent-list', HTMLElement).replaceChildren(...recent.map((used) => {
      const item = document.createElement('li');
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = used.name;
      button.addEventListener('click', () => used.source && this.#start(used.source, used));
      item.append(button);
      return item;
    }));
  }

  async #drawCatalogue() {
    try {
      /** @type {Family[]} */
      const families = await (await fetch('./models.json')).json();
      const device = await thisDevice();
      element('catalogue', HTMLElement).replaceChildren(...families.map((family) => this.#family(family, device)));
      this.#markStored();
    } catch (error) {
      element('catalogue', HTMLElement).textContent = `The list of models did not arrive: ${String(error)}`;
    }
  }

  /** @param {Family} family @param {Device} device */
  #family({ name, by, licence, about, files }, device) {
    const section = document.createElement('section');
    const head = document.createElement('h3');
    const text = document.createElement('p');
    const list = document.createElement('ul');
    section.className = 'family';
    head.textContent = name;
    text.textContent = `${about} ${by}, ${licence}.`;
    list.append(...files.map((file) => this.#file(file, device)));
    section.append(head, text, list);
    return section;
  }

  /** What is on this device needs no guess whether it would fit. */
  #markStored() {
    for (const button of element('catalogue', HTMLElement).querySelectorAll('button')) {
      const { source = '', fit = '' } = button.dataset;
      const isHere = [...this.#addresses].some((address) => leadsTo({ url: source }, address));
      button.classList.toggle('here', isHere);
      const mark = button.querySelector('.fit');
      if (mark) mark.textContent = isHere ? 'stored' : fit;
    }
  }

  /** @param {CatalogueFile} file @param {Device} device */
  #file({ name, quantisation, bytes, source }, device) {
    const item = document.createElement('li');
    const button = document.createElement('button');
    const { verdict, why } = fitOf(bytes, device);
    button.type = 'button';
    button.append(span('file-name', name), span('file-kind', quantisation), span('file-size', formatBytes(bytes)), span(`fit ${verdict}`, fitNames[verdict]));
    button.title = `It ${why}.`;
    button.dataset.source = source;
    button.dataset.fit = fitNames[verdict];
    button.addEventListener('click', () => {
      const used = { name: `${name} ${quantisation}`, source: sourceOf(source) };
      this.#start(used.source, used);
    });
    item.append(button);
    return item;
  }
}

/** @param {string} className @param {string} text */
function span(className, text) {
  const made = document.createElement('span');
  made.className = className;
  made.textContent = text;
  return made;
}

/** A file may be dropped anywhere while a model is being chosen. @param {(files: Iterable<File>) => void} onFiles */
function setUpDrop(onFiles) {
  const accepts = (/** @type {DragEvent} */ event) =>
    document.body.dataset.view === 'choose' && event.dataTransfer?.types.includes('Files');
  addEventListener('dragover', (event) => {
    event.preventDefault(); // or the browser would leave the page and show the file
    document.body.classList.toggle('dragging', Boolean(accepts(event)));
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) document.body.classList.remove('dragging');
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    document.body.classList.remove('dragging');
    if (accepts(event)) onFiles(event.dataTransfer?.files ?? []);
  });
}
