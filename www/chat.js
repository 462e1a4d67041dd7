// The conversation that is open: what was said, the answer that is being written, and the keys that drive it.
import { newConversation } from './conversations.js';
import { Draft } from './draft.js';
import { formatRate } from './format.js';
import { Pulse, describeFinish, showContext, showSpeed } from './gauges.js';
import { announce, clearError, element, showError } from './page.js';
import { answerSettings } from './settings.js';
import { ModelTurn, UserTurn } from './turn.js';

/** @typedef {import('./pagelm.js').Model} Model */
/** @typedef {import('./pagelm.js').ChatMessage} ChatMessage */
/** @typedef {import('./pagelm.js').ChatOptions} ChatOptions */
/** @typedef {import('./conversations.js').Conversation} Conversation */
/** @typedef {import('./conversations.js').UsedModel} UsedModel */

/** Below an answer whose page was left before its end: only a stored one ever shows it. */
const unfinishedNote = 'unfinished: the page was left';

/** Another answer than the one before needs chance, which the engine does without unless it is asked. */
const regenerateTemperature = 0.8;

export class Chat {
  /** @type {Model | undefined} */
  #model;
  /** @type {UsedModel | undefined} */
  #used;
  #conversation = newConversation();
  /** @type {(UserTurn | ModelTurn)[]} one for each message */
  #turns = [];
  /** @type {AbortController | undefined} of the answer that is being written */
  #answering;
  #pulse = new Pulse();
  /** Whether the end of the answer is kept in view: who has scrolled up is reading. */
  #following = true;
  #log = element('log', HTMLElement);
  #prompt = element('prompt', HTMLTextAreaElement);
  #save;
  #saveDraft;

  /**
   * @param {object} keepers
   * @param {(conversation: Conversation) => void} keepers.save
   * @param {(conversation: Conversation, leaving: boolean) => void} keepers.saveDraft  one whose last answer is still being written
   */
  constructor({ save, saveDraft }) {
    this.#save = save;
    this.#saveDraft = saveDraft;
    element('ask', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send(this.#prompt.value);
    });
    this.#prompt.addEventListener('keydown', (event) => {
      // during composition Enter chooses a candidate of the input method
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send(this.#prompt.value);
    });
    this.#prompt.addEventListener('input', () => this.#fitPrompt());
    addEventListener('scroll', () => { this.#following = isAtEnd(); }, { passive: true });
    // the text is laid out with the next frame, not when it arrives
    new ResizeObserver(() => { if (this.#answering) this.#follow(); }).observe(this.#log);
    element('stop', HTMLButtonElement).addEventListener('click', () => this.stop());
    for (const button of element('suggestions', HTMLElement).querySelectorAll('button')) {
      button.addEventListener('click', () => this.#send(button.textContent ?? ''));
    }
  }

  get conversation() {
    return this.#conversation;
  }

  get model() {
    return this.#model;
  }

  /** The conversation goes on with this model. @param {Model} model @param {UsedModel} used */
  use(model, used) {
    this.#model = model;
    this.#used = used;
    showContext(0, model.info.contextLength);
    showSpeed('');
    this.#pulse.clear();
    this.#showReadiness();
    this.#prompt.focus();
  }

  async close() {
    this.stop();
    const model = this.#model;
    this.#model = undefined;
    this.#showReadiness();
    await model?.close();
  }

  /** Ends the answer that is being written; what is there of it stays. */
  stop() {
    this.#answering?.abort();
  }

  /** Shows a conversation, a new one without an argument. @param {Conversation} [conversation] */
  open(conversation = newConversation()) {
    this.stop();
    this.#conversation = conversation;
    this.#log.replaceChildren();
    this.#turns = [];
    for (const message of conversation.messages) {
      if (message.role === 'user') this.#addQuestion(message.content);
      else this.#addAnswer().show(message);
    }
    if (this.#model) showContext(0, this.#model.info.contextLength);
    showSpeed('');
    this.#pulse.clear();
    clearError();
    this.#showReadiness();
    scrollToEnd();
    if (this.#model) this.#prompt.focus();
  }

  /** @param {string} text @param {ChatOptions} [overrides] */
  async #send(text, overrides) {
    const content = text.trim();
    const model = this.#model;
    if (!content || !model || this.#answering) return;
    this.#prompt.value = '';
    this.#fitPrompt();
    clearError();
    const conversation = this.#conversation;
    conversation.messages.push({ role: 'user', content });
    const question = this.#addQuestion(content);
    const answer = this.#addAnswer();
    this.#following = true;
    scrollToEnd();
    this.#setAnswering(new AbortController());
    this.#keep(conversation);
    const draft = new Draft((leaving) => this.#saveDraft({ ...conversation, messages: [...conversation.messages, answer.message(unfinishedNote)] }, leaving));
    try {
      const note = await this.#stream(model, answer, conversation, draft, overrides);
      conversation.messages.push(answer.message(note));
    } catch (error) {
      this.#takeBack(conversation, [question, answer], content, error);
    } finally {
      draft.end();
      this.#setAnswering(undefined);
      this.#keep(conversation);
    }
  }

  /**
   * Without an answer the question goes back to where it can be changed and sent again.
   * @param {Conversation} conversation @param {(UserTurn | ModelTurn)[]} turns @param {string} content @param {unknown} error
   */
  #takeBack(conversation, turns, content, error) {
    conversation.messages.pop();
    for (const turn of turns) turn.remove();
    this.#turns = this.#turns.filter((turn) => !turns.includes(turn));
    if (conversation !== this.#conversation || !this.#model) return;
    this.#prompt.value ||= content;
    this.#fitPrompt();
    showError('There is no answer.', error);
  }

  /**
   * @param {Model} model @param {ModelTurn} answer @param {Conversation} conversation @param {Draft} draft @param {ChatOptions} [overrides]
   * @returns {Promise<string>} the line of figures
   */
  async #stream(model, answer, conversation, draft, overrides) {
    const { messages, options } = this.#request(model, conversation);
    let note = '';
    for await (const part of model.chat(messages, { ...options, ...overrides, signal: this.#answering?.signal })) {
      if (part.type === 'text-delta') {
        this.#pulse.tick();
        answer.addText(part.text);
        draft.changed();
      } else if (part.type === 'reasoning-delta') {
        this.#pulse.tick();
        answer.addThought(part.text);
        draft.changed();
      } else if (part.type === 'finish') {
        note = describeFinish(part);
        answer.finish(note);
        this.#follow();
        if (this.#model === model && answer.element.isConnected) this.#showFinish(model, part);
      }
    }
    return note;
  }

  #follow() {
    if (this.#following) scrollToEnd();
  }

  /** @param {Model} model @param {import('./pagelm.js').Finish} finish */
  #showFinish(model, { reason, usage, timings }) {
    showSpeed(formatRate(timings.generatedTokens, timings.generateMs));
    showContext(usage.promptTokens + usage.generatedTokens, model.info.contextLength);
    announce(reason === 'aborted' ? 'Stopped' : 'The answer is complete');
  }

  /** What the settings make of the conversation. @param {Model} model @param {Conversation} conversation */
  #request(model, conversation) {
    const { system, options } = answerSettings(model.info);
    const thinks = model.info.reasoning !== 'none';
    /** @type {ChatMessage[]} */
    const messages = conversation.messages.map(({ role, content, reasoning }) => (
      { role, content, ...(thinks && reasoning && { reasoning_content: reasoning }) }));
    if (system) messages.unshift({ role: 'system', content: system });
    return { messages, options };
  }

  /** Says a question again, in other words or for another answer; what came after it is gone. @param {UserTurn} question @param {string} content @param {ChatOptions} [overrides] */
  #askAgain(question, content, overrides) {
    if (this.#answering || !this.#model) return;
    const index = this.#turns.indexOf(question);
    if (index < 0) return;
    for (const turn of this.#turns.splice(index)) turn.remove();
    this.#conversation.messages.length = index;
    this.#send(content, overrides);
    this.#prompt.focus();
  }

  /** @param {string} content */
  #addQuestion(content) {
    const turn = new UserTurn(content, (changed) => this.#askAgain(turn, changed));
    this.#addTurn(turn);
    return turn;
  }

  #addAnswer() {
    const turn = new ModelTurn(() => {
      const question = this.#turns[this.#turns.indexOf(turn) - 1];
      if (!this.#model || !(question instanceof UserTurn)) return;
      const { temperature } = answerSettings(this.#model.info).options;
      this.#askAgain(question, question.content, temperature ? {} : { temperature: regenerateTemperature });
    });
    this.#addTurn(turn);
    return turn;
  }

  /** @param {UserTurn | ModelTurn} turn */
  #addTurn(turn) {
    this.#turns.push(turn);
    this.#log.append(turn.element);
    element('opening', HTMLElement).hidden = true;
  }

  /** @param {Conversation} conversation */
  #keep(conversation) {
    conversation.updated = Date.now();
    if (this.#used) conversation.model = this.#used;
    this.#save(conversation);
    this.#showReadiness();
  }

  /** What of the composer can be used: it depends on the model, and on whether anything was said. */
  #showReadiness() {
    const ready = this.#model !== undefined;
    element('opening', HTMLElement).hidden = !ready || this.#turns.length > 0;
    element('ask', HTMLElement).hidden = !ready;
    element('gauges', HTMLElement).hidden = !ready;
    element('no-model', HTMLElement).hidden = ready;
    document.body.classList.toggle('can-ask', ready && !this.#answering);
    if (ready) return;
    const used = this.#conversation.model;
    const again = element('load-again', HTMLButtonElement);
    again.hidden = !(used?.source || used?.stored);
    again.textContent = `Load ${used?.name ?? ''}`;
    element('no-model-text', HTMLElement).textContent = used ? `This chat was with ${used.name}.` : 'No model is loaded.';
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

  #fitPrompt() {
    this.#prompt.style.height = 'auto';
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }
}

const isAtEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 48;
const scrollToEnd = () => scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
