// The chat page: choose a model, load it, talk to it. Each of these is a file of its own.
import { Chat } from './chat.js';
import { showInfo } from './gauges.js';
import { setUpLoading } from './loading.js';
import { announce, clearError, element, show } from './page.js';

const chat = new Chat();

setUpLoading((model, ready) => {
  showInfo(model.info, ready);
  show('chat');
  chat.open(model);
  announce(`${model.info.name} is ready`);
});

element('new-chat', HTMLButtonElement).addEventListener('click', () => chat.clear());
element('change-model', HTMLButtonElement).addEventListener('click', async () => {
  show('choose');
  element('load-default', HTMLElement).focus();
  await chat.close();
});
element('error-close', HTMLButtonElement).addEventListener('click', clearError);
element('settings', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault());

const about = element('about', HTMLDetailsElement);
addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if (about.open) {
    about.open = false;
    about.querySelector('summary')?.focus();
  } else {
    chat.stop();
  }
});
addEventListener('pointerdown', (event) => {
  if (event.target instanceof Node && !about.contains(event.target)) about.open = false;
});
