// What one side said, as a part of the page: its text, what can be done with it, and a line of figures.
import { copyButton } from './copy.js';
import { MarkdownView } from './markdown.js';
import { formatSeconds } from './format.js';

/** @typedef {import('./conversations.js').Message} Message */

/** The frame that both kinds of turns share. */
class Turn {
  element = document.createElement('article');
  body = document.createElement('div');
  actions = document.createElement('div');
  content = '';

  /** @param {'you' | 'model'} who */
  constructor(who) {
    const label = document.createElement('h2');
    this.element.className = `turn ${who}`;
    label.textContent = who;
    this.body.className = 'body';
    this.actions.className = 'actions';
    this.element.append(label, this.body, this.actions);
  }

  remove() {
    this.element.remove();
  }

  /** @param {string} text @param {() => void} act */
  addAction(text, act) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'small';
    button.textContent = text;
    button.addEventListener('click', act);
    this.actions.append(button);
    return button;
  }
}

export class UserTurn extends Turn {
  #onEdit;
  #editButton;

  /** @param {string} content @param {(content: string) => void} onEdit  is told the new text */
  constructor(content, onEdit) {
    super('you');
    this.content = content;
    this.body.textContent = content; // what a person types is shown as it was typed
    this.#onEdit = onEdit;
    this.actions.append(copyButton('Copy your message', () => this.content));
    this.#editButton = this.addAction('Edit', () => this.#edit());
  }

  #edit() {
    const form = document.createElement('form');
    const field = document.createElement('textarea');
    form.className = 'edit';
    field.value = this.content;
    field.rows = Math.min(12, this.content.split('\n').length + 1);
    field.setAttribute('aria-label', 'Your message, changed');
    const send = submitButton('Send');
    const cancel = document.createElement('button');
    cancel.type = 'button';
    cancel.textContent = 'Cancel';
    const buttons = document.createElement('div');
    buttons.append(send, cancel);
    form.append(field, buttons);
    const close = () => {
      form.replaceWith(this.body);
      this.actions.hidden = false;
      this.#editButton.focus();
    };
    cancel.addEventListener('click', close);
    form.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        event.stopPropagation(); // it ends the edit, not an answer
        close();
      } else if (event.key === 'Enter' && event.target === field && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (field.value.trim()) this.#onEdit(field.value.trim());
    });
    this.body.replaceWith(form);
    this.actions.hidden = true;
    field.focus();
  }
}

export class ModelTurn extends Turn {
  reasoning = '';
  #view = new MarkdownView(this.body);
  #note = document.createElement('p');
  #again;
  #thinkingSince = 0;
  /** @type {{ fold: HTMLDetailsElement, summary: HTMLElement, text: Text } | undefined} */
  #thoughts;

  /** @param {() => void} onAgain */
  constructor(onAgain) {
    super('model');
    this.#note.className = 'note';
    this.actions.hidden = true;
    this.actions.append(copyButton('Copy the answer', () => this.content));
    this.#again = this.addAction('Regenerate', onAgain);
    this.element.append(this.#note, this.actions);
  }

  /** @param {string} text */
  addText(text) {
    if (this.#thinkingSince) this.#endThinking();
    this.content += text;
    this.#view.append(text);
  }

  /** @param {string} text */
  addThought(text) {
    this.#thinkingSince ||= performance.now();
    this.#thoughts ??= this.#addFold();
    this.reasoning += text;
    this.#thoughts.text.appendData(text);
  }

  /** @param {string} note */
  finish(note) {
    if (this.#thinkingSince) this.#endThinking();
    this.#view.finish();
    this.#note.textContent = note;
    this.actions.hidden = false;
  }

  /** What there is of it, to be stored. @param {string} note @returns {Message} */
  message(note) {
    const { content, reasoning } = this;
    return { role: 'assistant', content, ...(reasoning && { reasoning }), note };
  }

  /** An answer of earlier. @param {{ content: string, reasoning?: string, note?: string }} message */
  show({ content, reasoning, note }) {
    if (reasoning) {
      this.addThought(reasoning);
      this.#thinkingSince = 0;
      if (this.#thoughts) this.#thoughts.summary.textContent = 'Thoughts';
    }
    this.addText(content);
    this.finish(note ?? '');
  }

  /** @param {boolean} can  whether it can be answered again now */
  set canRegenerate(can) {
    this.#again.hidden = !can;
  }

  #endThinking() {
    if (this.#thoughts) this.#thoughts.summary.textContent = `Thought for ${formatSeconds(performance.now() - this.#thinkingSince)}`;
    this.#thinkingSince = 0;
  }

  /** What a model thinks before it answers, folded away above the answer. */
  #addFold() {
    const fold = document.createElement('details');
    const summary = document.createElement('summary');
    const thoughts = document.createElement('p');
    fold.className = 'thoughts';
    summary.textContent = 'Thinking…';
    const text = thoughts.appendChild(document.createTextNode(''));
    fold.append(summary, thoughts);
    this.element.insertBefore(fold, this.body);
    return { fold, summary, text };
  }
}

/** @param {string} text */
function submitButton(text) {
  const button = document.createElement('button');
  button.type = 'submit';
  button.className = 'primary';
  button.textContent = text;
  return button;
}
