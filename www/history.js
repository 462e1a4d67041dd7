// The list of conversations at the side: open, search, rename, delete, export and import.
import { titleOf } from './conversations.js';
import { download, fromFile, toFile } from './exchange.js';
import { element, showError, showNotice } from './page.js';

/** @typedef {import('./conversations.js').Conversation} Conversation */
/** @typedef {import('./conversations.js').Conversations} Conversations */

export class History {
  #store;
  #onOpen;
  #list = element('conversations', HTMLUListElement);
  #search = element('search', HTMLInputElement);
  #current = '';
  #drawn = 0;

  /** @param {Conversations} store @param {(conversation: Conversation | undefined) => void} onOpen  undefined: the open one was deleted */
  constructor(store, onOpen) {
    this.#store = store;
    this.#onOpen = onOpen;
    this.#search.addEventListener('input', () => this.draw());
    element('export', HTMLButtonElement).addEventListener('click', async () => download(toFile(await store.all())));
    const file = element('import', HTMLInputElement);
    file.addEventListener('change', () => {
      if (file.files?.[0]) this.#import(file.files[0]);
      file.value = '';
    });
  }

  /** @param {string} id  of the conversation that is shown */
  set current(id) {
    this.#current = id;
    this.draw();
  }

  async draw() {
    const turn = ++this.#drawn;
    const words = this.#search.value.trim().toLowerCase();
    const all = await this.#store.all();
    if (turn !== this.#drawn) return; // a later call has overtaken this one
    const found = words ? all.filter((conversation) => searchable(conversation).includes(words)) : all;
    const focused = this.#list.contains(document.activeElement) ? document.activeElement?.closest('li')?.dataset.id : undefined;
    if (this.#list.querySelector('input')) return; // a name is being typed; it redraws when it is done
    this.#list.replaceChildren(...found.map((conversation) => this.#item(conversation)));
    element('no-conversations', HTMLElement).textContent = found.length ? '' : words ? 'Nothing found.' : 'Your chats will be listed here. They stay on this device.';
    element('export', HTMLButtonElement).disabled = all.length === 0;
    if (focused) this.#list.querySelector(`[data-id="${CSS.escape(focused)}"] button`)?.dispatchEvent(new Event('refocus'));
  }

  /** @param {Conversation} conversation */
  #item(conversation) {
    const item = document.createElement('li');
    const open = button(titleOf(conversation), () => this.#onOpen(conversation));
    const name = titleOf(conversation);
    open.className = 'open';
    open.title = name;
    open.addEventListener('refocus', () => open.focus());
    if (conversation.id === this.#current) open.setAttribute('aria-current', 'page');
    const rename = button('Rename', () => this.#rename(item, conversation));
    const remove = button('Delete', () => this.#remove(conversation));
    rename.setAttribute('aria-label', `Rename ${name}`);
    remove.setAttribute('aria-label', `Delete ${name}`);
    const tools = document.createElement('span');
    tools.className = 'tools';
    tools.append(rename, remove);
    item.dataset.id = conversation.id;
    item.append(open, tools);
    return item;
  }

  /** @param {HTMLElement} item @param {Conversation} conversation */
  #rename(item, conversation) {
    const field = document.createElement('input');
    field.value = titleOf(conversation);
    field.maxLength = 200;
    field.setAttribute('aria-label', 'Name of the conversation');
    item.replaceChildren(field);
    field.select();
    field.focus();
    let done = false;
    const close = async (/** @type {boolean} */ keep) => {
      if (done) return;
      done = true;
      const title = field.value.trim();
      field.remove();
      if (keep && title) await this.#store.put({ ...conversation, title });
      else await this.draw();
    };
    field.addEventListener('keydown', (event) => {
      if (event.isComposing) return;
      if (event.key === 'Enter') close(true);
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close(false);
    });
    field.addEventListener('blur', () => close(true));
  }

  /** @param {Conversation} conversation */
  async #remove(conversation) {
    await this.#store.remove(conversation.id);
    if (conversation.id === this.#current) this.#onOpen(undefined);
    showNotice(`“${titleOf(conversation)}” is deleted.`, { label: 'Undo', act: () => this.#store.put(conversation) });
  }

  /** @param {File} file */
  async #import(file) {
    try {
      const conversations = await fromFile(file);
      await this.#store.put(...conversations);
      showNotice(`${conversations.length} ${conversations.length === 1 ? 'conversation was' : 'conversations were'} imported.`);
    } catch (error) {
      showError(`${file.name} was not imported.`, error);
    }
  }
}

/** @param {Conversation} conversation */
const searchable = (conversation) => [titleOf(conversation), ...conversation.messages.map(({ content }) => content)].join('\n').toLowerCase();

/** @param {string} text @param {() => void} act */
function button(text, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.addEventListener('click', act);
  return made;
}
