// A model's way into the page: its stages, how fast they are, and how long they will take.
import { formatBytes, formatSeconds } from './format.js';
import { announce, clearError, element, show, showError, showNotice } from './page.js';
import { loadSettings } from './settings.js';
import { load } from './store.js';

/** @typedef {import('./pagelm.js').Model} Model */
/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {import('./pagelm.js').LoadProgress} LoadProgress */
/** @typedef {import('./pagelm.js').ModelInfo} ModelInfo */
/** @typedef {{ fromCache: boolean, loadMs: number }} Ready */

const stages = { download: 'Download', verify: 'Check', upload: 'Into the engine', compile: 'Compile' };
const speedWindowMs = 4000; // speed is that of the last seconds: a mean over all would hide that it changes

/** One line of the progress list for each kind of work that has begun. */
class ProgressList {
  /** @type {Map<string, { bar: HTMLProgressElement, text: HTMLElement }>} */
  #rows = new Map();
  #list = element('progress', HTMLElement);
  /** @type {{ time: number, loaded: number }[]} of the download, oldest first */
  #samples = [];

  clear() {
    this.#rows.clear();
    this.#samples = [];
    this.#list.replaceChildren();
    element('pace', HTMLElement).textContent = '';
  }

  /** @param {LoadProgress} event */
  update({ type, loaded, total }) {
    const { bar, text } = this.#rows.get(type) ?? this.#add(type);
    if (total > 0) {
      bar.max = total;
      bar.value = loaded;
    }
    const unit = type === 'compile' ? String : formatBytes;
    text.textContent = total > 0 ? `${unit(loaded)} of ${unit(total)}` : unit(loaded);
    if (type === 'download') element('pace', HTMLElement).textContent = this.#pace(loaded, total);
  }

  /** Speed and remaining time of the download. @param {number} loaded @param {number} total */
  #pace(loaded, total) {
    if (total > 0 && loaded >= total) return '';
    const time = performance.now();
    this.#samples.push({ time, loaded });
    while (time - this.#samples[0].time > speedWindowMs) this.#samples.shift();
    const { time: since, loaded: from } = this.#samples[0];
    if (time - since < 1000 || loaded === from) return ''; // too short to tell: the first bytes of a range come slowly
    const bytesPerMs = (loaded - from) / (time - since);
    const left = total > 0 ? `, ${formatSeconds((total - loaded) / bytesPerMs)} left` : '';
    return `${formatBytes(bytesPerMs * 1000)}/s${left}`;
  }

  /** @param {LoadProgress['type']} type */
  #add(type) {
    const term = document.createElement('dt');
    const value = document.createElement('dd');
    const bar = document.createElement('progress');
    const text = document.createElement('span');
    const label = document.createElement('label');
    bar.id = `progress-${type}`;
    label.htmlFor = bar.id;
    label.textContent = stages[type] ?? type;
    term.append(label);
    value.append(bar, text);
    this.#list.append(term, value);
    const row = { bar, text };
    this.#rows.set(type, row);
    return row;
  }
}

export class Loading {
  #progress = new ProgressList();
  /** @type {(info: ModelInfo, name: string, ready: Ready | undefined) => void} */
  #onRecovered;
  /** @type {AbortController | undefined} */
  #current;

  /** @param {(info: ModelInfo, name: string, ready: Ready | undefined) => void} onRecovered  is told where a model runs now that its device was lost */
  constructor(onRecovered) {
    this.#onRecovered = onRecovered;
    element('cancel', HTMLButtonElement).addEventListener('click', () => this.#current?.abort());
  }

  /**
   * @param {ModelSource} source @param {string} name
   * @returns {Promise<{ model: Model, ready: Ready | undefined } | undefined>} undefined where it did not load, which is said
   */
  async start(source, name) {
    if (this.#current) return undefined;
    const controller = new AbortController();
    this.#current = controller;
    this.#open(name);
    element('cancel', HTMLButtonElement).textContent = isDownload(source) ? 'Pause' : 'Cancel';
    /** @type {Ready | undefined} */
    let ready;
    try {
      const model = await load(source, {
        ...loadSettings(),
        backend: chosenBackend(),
        signal: controller.signal,
        onProgress: (event) => {
          if (event.type === 'ready') ready = event;
          else this.#progress.update(event);
        },
        onRecover: (event) => {
          if (event.type === 'lost') showNotice('The graphics device stopped. The model is loaded again, and then goes on.');
          else if (event.type === 'recovered') {
            sayWhereItIs(event.info);
            this.#onRecovered(event.info, name, ready);
          }
        },
      });
      return { model, ready };
    } catch (error) {
      show('choose');
      element('load-default', HTMLElement).focus();
      if (controller.signal.aborted) showNotice(isDownload(source) ? `${name} is paused. What has arrived is kept: load it again to go on.` : 'Loading was cancelled.');
      else showError(`${name} did not load.`, error);
      return undefined;
    } finally {
      this.#current = undefined;
    }
  }

  /** @param {string} name */
  #open(name) {
    clearError();
    this.#progress.clear();
    element('loading-title', HTMLElement).textContent = name;
    show('loading');
    element('loading-title', HTMLElement).focus();
    announce(`Loading ${name}`);
  }
}

/** @param {ModelInfo} info */
function sayWhereItIs({ backend }) {
  showNotice(backend === 'webgpu' ? 'The model is back, on the graphics device.' : 'The model is back. The graphics device is not: the model runs on the CPU now.');
}

/** @param {ModelSource} source */
const isDownload = (source) => !(source instanceof Blob || (Array.isArray(source) && source[0] instanceof Blob));

const chosenBackend = () =>
  /** @type {'auto' | 'webgpu' | 'cpu'} */ (new FormData(element('choose-form', HTMLFormElement)).get('backend'));
