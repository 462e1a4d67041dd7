// An answer that is being written, kept as far as it is: a page can be closed at any moment, and a phone ends one without a word.

/** So much of an answer may be lost; each time the whole conversation is stored. */
const betweenMs = 300;

export class Draft {
  #keep;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #listening = new AbortController();

  /** @param {(leaving: boolean) => void} keep  stores what there is; leaving: the page may be gone at once */
  constructor(keep) {
    this.#keep = keep;
    const { signal } = this.#listening;
    addEventListener('pagehide', () => this.#flush(true), { signal });
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.#flush(true); // the last event that a phone is sure to give
    }, { signal });
    keep(false);
  }

  changed() {
    this.#timer ??= setTimeout(() => this.#flush(false), betweenMs);
  }

  /** It is stored as a whole now, or not at all. */
  end() {
    this.#listening.abort();
    clearTimeout(this.#timer);
  }

  /** @param {boolean} leaving */
  #flush(leaving) {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#keep(leaving);
  }
}
