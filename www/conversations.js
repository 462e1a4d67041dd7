// Conversations in IndexedDB, or in memory where a browser refuses that (a private window of some).

/**
 * @typedef {object} Message
 * @property {'user' | 'assistant'} role
 * @property {string} content
 * @property {string} [reasoning]  what the model thought
 * @property {string} [note]       the line of figures below an answer
 *
 * @typedef {object} UsedModel  what a conversation was last continued with
 * @property {string} name
 * @property {import('./pagelm.js').UrlSource} [source]  none for a file of the user's, which has to be chosen again
 * @property {string} [stored]  of one that was copied into the package's store: its id there
 *
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title     empty until the first message names it
 * @property {number} created   ms since 1970, as `updated`
 * @property {number} updated
 * @property {UsedModel} [model]
 * @property {Message[]} messages
 */

const databaseName = 'pagelm-chat';
const storeName = 'conversations';

/** @returns {Conversation} */
export function newConversation() {
  const now = Date.now();
  return { id: crypto.randomUUID(), title: '', created: now, updated: now, messages: [] };
}

/** The first words of the first question. @param {Conversation} conversation */
export function titleOf({ title, messages }) {
  if (title) return title;
  const words = messages[0]?.content.replace(/\s+/g, ' ').trim() ?? '';
  return words.length > 60 ? `${words.slice(0, 59)}…` : words || 'New chat';
}

export class Conversations {
  /** @type {Promise<IDBDatabase | undefined>} */
  #database = openDatabase();
  /** @type {Map<string, Conversation>} used without a database */
  #memory = new Map();
  /** Ids: an answer that was being written must not bring its conversation back. @type {Set<string>} */
  #removed = new Set();
  /** Names as they were stored last, by ids. @type {Map<string, string>} */
  #titles = new Map();
  /** Other tabs show the same list. */
  #channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel(databaseName) : undefined;

  /** @param {() => void} onChange  the list changed, here or in another tab */
  constructor(onChange) {
    this.onChange = onChange;
    this.#channel?.addEventListener('message', () => onChange());
  }

  /** Whether they outlast the page. */
  async persistent() {
    return (await this.#database) !== undefined;
  }

  /** @returns {Promise<Conversation[]>} the latest first */
  async all() {
    const stored = await this.#run('readonly', (store) => store.getAll());
    /** @type {Conversation[]} */
    const list = stored ?? [...this.#memory.values()];
    return list.sort((a, b) => b.updated - a.updated);
  }

  /** @param {string} id @returns {Promise<Conversation | undefined>} */
  async get(id) {
    return (await this.#run('readonly', (store) => store.get(id))) ?? this.#memory.get(id);
  }

  /** @param {Conversation[]} list */
  async put(...list) {
    for (const conversation of list) {
      // a copy: what is stored does not change until it is put again
      const copy = structuredClone(conversation);
      this.#removed.delete(copy.id);
      this.#titles.set(copy.id, copy.title);
      if (!(await this.persistent())) this.#memory.set(copy.id, copy);
      await this.#run('readwrite', (store) => store.put(copy));
    }
    this.#changed();
  }

  /**
   * What was said since: the name that the list gave it, in this tab or another, stays.
   * @param {Conversation} conversation
   * @param {object} [options]
   * @param {boolean} [options.quietly]  without a word to the lists, in which nothing has changed
   * @param {boolean} [options.leaving]  a page that goes away sees no answer any more: one request, and the name of the last time
   */
  async keep(conversation, { quietly = false, leaving = false } = {}) {
    if (this.#removed.has(conversation.id)) return;
    const copy = structuredClone(conversation);
    if (!(await this.persistent())) this.#memory.set(copy.id, { ...copy, title: this.#memory.get(copy.id)?.title ?? copy.title });
    await this.#run('readwrite', (store) => {
      const put = (title = copy.title) => {
        this.#titles.set(copy.id, title);
        return store.put({ ...copy, title });
      };
      if (leaving) {
        const last = put(this.#titles.get(copy.id));
        store.transaction.commit(); // by itself it waits for the answer, and is undone if there is nobody to get it
        return last;
      }
      const request = store.get(copy.id);
      request.onsuccess = () => put(request.result?.title);
      return request;
    });
    if (!quietly) this.#changed();
  }

  /** @param {string} id */
  async remove(id) {
    this.#removed.add(id);
    this.#memory.delete(id);
    await this.#run('readwrite', (store) => store.delete(id)).catch((error) => {
      this.#removed.delete(id);
      throw error;
    });
    this.#changed();
  }

  #changed() {
    this.#channel?.postMessage('changed');
    this.onChange();
  }

  /**
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} act
   * @returns {Promise<any>} what the request gave once the transaction is complete; undefined without a database
   */
  async #run(mode, act) {
    const database = await this.#database;
    if (!database) return undefined;
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(storeName, mode);
      const request = act(transaction.objectStore(storeName));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

/** @returns {Promise<IDBDatabase | undefined>} */
function openDatabase() {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(databaseName, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(storeName, { keyPath: 'id' });
      request.onsuccess = () => {
        // another tab with a newer version must not wait for this one
        request.result.onversionchange = () => request.result.close();
        resolve(request.result);
      };
      request.onerror = () => resolve(undefined);
    } catch {
      resolve(undefined);
    }
  });
}
