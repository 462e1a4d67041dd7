// The choice of a model, and its way into the page.
import { formatBytes } from './format.js';
import { announce, clearError, element, show, showError } from './page.js';

/** @typedef {import('./pagelm.js').Model} Model */
/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {import('./pagelm.js').LoadProgress} LoadProgress */

const stages = { download: 'Download', verify: 'Check', upload: 'Into the engine', compile: 'Compile' };

/** One line of the progress list for each kind of work that has begun. */
class ProgressList {
  /** @type {Map<string, { bar: HTMLProgressElement, text: HTMLElement }>} */
  #rows = new Map();
  #list = element('progress', HTMLElement);

  clear() {
    this.#rows.clear();
    this.#list.replaceChildren();
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

/** @param {(model: Model, ready: { fromCache: boolean, loadMs: number } | undefined) => void} onModel */
export function setUpLoading(onModel) {
  const form = element('choose-form', HTMLFormElement);
  const file = element('file', HTMLInputElement);
  const progress = new ProgressList();
  /** @type {AbortController | undefined} */
  let current;

  /** @param {ModelSource} source @param {string} name */
  async function start(source, name) {
    if (current) return;
    const controller = new AbortController();
    current = controller;
    clearError();
    progress.clear();
    element('loading-title', HTMLElement).textContent = name;
    show('loading');
    element('loading-title', HTMLElement).focus();
    announce(`Loading ${name}`);
    const backend = /** @type {'auto' | 'webgpu' | 'cpu'} */ (new FormData(form).get('backend'));
    /** @type {{ fromCache: boolean, loadMs: number } | undefined} */
    let ready;
    try {
      const { load } = await import('./pagelm.js');
      const model = await load(source, {
        backend,
        signal: controller.signal,
        onProgress(event) {
          if (event.type === 'ready') ready = event;
          else progress.update(event);
        },
      });
      onModel(model, ready);
    } catch (error) {
      show('choose');
      element('load-default', HTMLElement).focus();
      if (controller.signal.aborted) announce('Loading was cancelled');
      else showError(`${name} did not load.`, error);
    } finally {
      current = undefined;
    }
  }

  /** @param {File | null | undefined} chosen */
  function startFile(chosen) {
    if (!chosen) return;
    if (/\.gguf$/i.test(chosen.name)) start(chosen, chosen.name);
    else showError(`${chosen.name} is no .gguf file.`, new Error('Choose a model in the GGUF format.'));
  }

  file.addEventListener('change', () => {
    startFile(file.files?.[0]);
    file.value = ''; // so that the same file can be chosen again
  });
  element('cancel', HTMLButtonElement).addEventListener('click', () => current?.abort());
  setUpDrop(startFile);
  setUpDefault(form, start);
}

/**
 * @param {HTMLFormElement} form
 * @param {(source: ModelSource, name: string) => void} start
 */
async function setUpDefault(form, start) {
  const response = fetch('./default-model.json').then((answer) => answer.json());
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      const model = await response;
      start({ url: new URL(`./models/${model.file}`, document.baseURI).href, sha256: model.sha256 }, model.name);
    } catch (error) {
      showError('The default model is not known.', error);
    }
  });
  const model = await response.catch(() => undefined); // the button says why, when it is pressed
  if (!model) return;
  element('default-name', HTMLElement).textContent = model.name;
  element('default-detail', HTMLElement).textContent = model.detail;
}

/** A file may be dropped anywhere while a model is being chosen. @param {(file: File | null | undefined) => void} onFile */
function setUpDrop(onFile) {
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
    if (accepts(event)) onFile(event.dataTransfer?.files[0]);
  });
}
