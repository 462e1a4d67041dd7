// The conversation: what was said, the answer that is being written, and the keys that drive it.
import { formatRate } from './format.js';
import { Pulse, describeFinish, showContext, showSpeed } from './gauges.js';
import { announce, clearError, element, showError } from './page.js';

/** @typedef {import('./pagelm.js').Model} Model */
/** @typedef {import('./pagelm.js').ChatMessage} ChatMessage */
/** @typedef {import('./pagelm.js').GenerateOptions} GenerateOptions */
/** @typedef {{ turn: HTMLElement, body: HTMLElement, note: HTMLElement }} Turn */

export class Chat {
  /** @type {Model | undefined} */
  #model;
  /** @type {ChatMessage[]} */
  #messages = [];
  /** @type {AbortController | undefined} of the answer that is being written */
  #answering;
  #pulse = new Pulse();
  #log = element('log', HTMLElement);
  #prompt = element('prompt', HTMLTextAreaElement);

  constructor() {
    element('ask', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#prompt.addEventListener('keydown', (event) => {
      // during composition Enter chooses a candidate of the input method
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#prompt.addEventListener('input', () => this.#fitPrompt());
    element('stop', HTMLButtonElement).addEventListener('click', () => this.stop());
    for (const button of element('suggestions', HTMLElement).querySelectorAll('button')) {
      button.addEventListener('click', () => {
        this.#prompt.value = button.textContent ?? '';
        this.#send();
      });
    }
  }

  /** @param {Model} model */
  open(model) {
    this.#model = model;
    this.clear();
  }

  async close() {
    this.stop();
    const model = this.#model;
    this.#model = undefined;
    await model?.close();
  }

  /** Ends the answer that is being written; what is there of it stays. Says whether there was one. */
  stop() {
    this.#answering?.abort();
    return this.#answering !== undefined;
  }

  clear() {
    this.stop();
    this.#messages = [];
    this.#log.replaceChildren();
    element('opening', HTMLElement).hidden = false;
    if (this.#model) showContext(0, this.#model.info.contextLength);
    showSpeed('');
    clearError();
    this.#prompt.focus();
  }

  async #send() {
    const content = this.#prompt.value.trim();
    const model = this.#model;
    if (!content || !model || this.#answering) return;
    this.#prompt.value = '';
    this.#fitPrompt();
    clearError();
    element('opening', HTMLElement).hidden = true;

    const messages = this.#messages; // a new chat begins with another list
    messages.push({ role: 'user', content });
    const question = this.#addTurn('you', content);
    const answer = this.#addTurn('model', '');
    const controller = new AbortController();
    this.#setAnswering(controller);
    try {
      const text = await this.#stream(model, answer, controller.signal);
      messages.push({ role: 'assistant', content: text });
    } catch (error) {
      // the question goes back to where it can be changed and sent again
      messages.pop();
      question.turn.remove();
      answer.turn.remove();
      if (messages === this.#messages && model === this.#model) {
        this.#prompt.value ||= content;
        this.#fitPrompt();
        showError('There is no answer.', error);
      }
    } finally {
      this.#setAnswering(undefined);
    }
  }

  /**
   * @param {Model} model
   * @param {Turn} answer
   * @param {AbortSignal} signal
   * @returns {Promise<string>} the whole answer
   */
  async #stream(model, answer, signal) {
    const { messages: prompt, options } = this.#request();
    const text = answer.body.appendChild(document.createTextNode(''));
    /** @type {Text | undefined} */
    let thoughts;
    for await (const part of model.chat(prompt, { ...options, signal })) {
      if (part.type === 'text-delta') {
        this.#pulse.tick();
        const follow = isAtEnd();
        text.appendData(part.text);
        if (follow) scrollToEnd();
      } else if (part.type === 'reasoning-delta') {
        this.#pulse.tick();
        const follow = isAtEnd();
        thoughts ??= addThoughts(answer.turn, answer.body);
        thoughts.appendData(part.text);
        if (follow) scrollToEnd();
      } else if (part.type === 'finish') {
        answer.note.textContent = describeFinish(part);
        if (this.#model === model && answer.turn.isConnected) {
          showSpeed(formatRate(part.timings.generatedTokens, part.timings.generateMs));
          showContext(part.usage.promptTokens + part.usage.generatedTokens, model.info.contextLength);
          announce(part.reason === 'aborted' ? 'Stopped' : 'The answer is complete');
        }
        if (isAtEnd()) scrollToEnd();
      }
    }
    return text.data;
  }

  /** What the settings make of the conversation; an empty field is left to the engine. */
  #request() {
    const number = (/** @type {string} */ id) => {
      const { valueAsNumber } = element(id, HTMLInputElement);
      return Number.isNaN(valueAsNumber) ? undefined : valueAsNumber;
    };
    const system = element('system', HTMLTextAreaElement).value.trim();
    /** @type {ChatMessage[]} */
    const messages = system ? [{ role: 'system', content: system }, ...this.#messages] : [...this.#messages];
    /** @type {GenerateOptions} */
    const options = { temperature: number('temperature'), topP: number('top-p'), maxTokens: number('max-tokens') };
    return { messages, options };
  }

  /** @param {AbortController | undefined} controller */
  #setAnswering(controller) {
    this.#answering = controller;
    const busy = controller !== undefined;
    // a screen reader waits for the whole answer instead of reading pieces
    this.#log.setAttribute('aria-busy', String(busy));
    const [send, stop] = [element('send', HTMLButtonElement), element('stop', HTMLButtonElement)];
    const moveFocus = document.activeElement === (busy ? send : stop);
    send.hidden = busy;
    stop.hidden = !busy;
    if (moveFocus) this.#prompt.focus();
    if (busy) this.#pulse.start();
    else this.#pulse.stop();
  }

  /** @param {'you' | 'model'} who @param {string} content @returns {Turn} */
  #addTurn(who, content) {
    const turn = document.createElement('article');
    const label = document.createElement('h2');
    const body = document.createElement('p');
    const note = document.createElement('p');
    turn.className = `turn ${who}`;
    label.textContent = who;
    body.className = 'body';
    body.textContent = content;
    note.className = 'note';
    turn.append(label, body, note);
    this.#log.append(turn);
    scrollToEnd();
    return { turn, body, note };
  }

  #fitPrompt() {
    this.#prompt.style.height = 'auto';
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }
}

/**
 * What a model thinks before it answers, folded away above the answer.
 * @param {HTMLElement} turn @param {HTMLElement} body
 */
function addThoughts(turn, body) {
  const fold = document.createElement('details');
  const summary = document.createElement('summary');
  const thoughts = document.createElement('p');
  fold.className = 'thoughts';
  summary.textContent = 'Thinking';
  const text = thoughts.appendChild(document.createTextNode(''));
  fold.append(summary, thoughts);
  turn.insertBefore(fold, body);
  return text;
}

// The page follows the answer only while its end is in view: who has scrolled up is reading.
const isAtEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 48;
const scrollToEnd = () => scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
