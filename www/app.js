// The chat page: choose a model, load it, talk to it. Each of these is a file of its own; here they meet.
import { Chat } from './chat.js';
import { Conversations } from './conversations.js';
import { setUpDrawer } from './drawer.js';
import { showInfo } from './gauges.js';
import { History } from './history.js';
import { offerCopy } from './keep.js';
import { Library } from './library.js';
import { Loading } from './loading.js';
import { keepEngine, setUpOffline } from './offline.js';
import { announce, clearError, element, hideNotice, show, showError } from './page.js';
import { rememberModel } from './recent.js';
import { setUpSettings } from './settings.js';
import { modelStore } from './store.js';

/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {import('./conversations.js').Conversation} Conversation */
/** @typedef {import('./conversations.js').UsedModel} UsedModel */

setUpSettings();
const drawer = setUpDrawer();
const loading = new Loading(showInfo);
const store = new Conversations(() => history.draw());
const history = new History(store, openConversation);
const chat = new Chat({
  save(conversation) {
    store.keep(conversation).catch((error) => showError('The conversation is not stored.', error));
    // an answer that was left for another chat is stored when it has ended, and changes nothing else
    if (conversation === chat.conversation) showAddress(conversation.id);
  },
  saveDraft(conversation, leaving) {
    store.keep(conversation, { quietly: true, leaving }).catch(() => {}); // what hinders it, the end of the answer tells
  },
});
const library = new Library(start, startAgain);
openAddress();
setUpOffline();

/** @param {ModelSource} source @param {UsedModel} used */
async function start(source, used) {
  // two models at once may be more than the device has room for
  await chat.close();
  rememberModel(used); // a download that is paused is found there, too
  const loaded = await loading.start(source, used.name);
  if (!loaded) {
    showWayBack();
    library.refresh();
    return;
  }
  showInfo(loaded.model.info, used.name, loaded.ready);
  show('chat');
  chat.use(loaded.model, used);
  announce(`${used.name} is ready`);
  keepEngine();
  if (!used.source && !used.stored) offerCopy(source, used);
}

/** @param {UsedModel} used  before, here */
async function startAgain(used) {
  try {
    const source = used.source ?? (used.stored && await (await modelStore()).export(used.stored));
    if (source) await start(source, used);
  } catch (error) {
    showError(`${used.name} is not on this device any more.`, error);
  }
}

/** @param {Conversation} [conversation]  none: a new one */
function openConversation(conversation) {
  drawer.close();
  chat.open(conversation);
  show('chat');
  showAddress(conversation?.id ?? '');
  // a new conversation without a model begins with one
  if (!conversation && !chat.model) showLibrary();
}

function showLibrary() {
  drawer.close();
  chat.stop();
  show('choose');
  showWayBack();
  library.refresh();
  element('load-default', HTMLElement).focus();
}

function showWayBack() {
  element('back-to-chat', HTMLElement).hidden = !chat.model && chat.conversation.messages.length === 0;
}

/** The open conversation is in the address, so that a reload finds it. @param {string} id */
function showAddress(id) {
  window.history.replaceState(null, '', id ? `#${id}` : location.pathname + location.search);
  history.current = id;
}

async function openAddress() {
  const id = location.hash.slice(1);
  const conversation = id ? await store.get(id).catch(() => undefined) : undefined;
  if (conversation) openConversation(conversation);
  else history.draw();
}

element('new-chat', HTMLButtonElement).addEventListener('click', () => openConversation());
element('change-model', HTMLButtonElement).addEventListener('click', showLibrary);
element('choose-other', HTMLButtonElement).addEventListener('click', showLibrary);
element('back-to-chat', HTMLButtonElement).addEventListener('click', () => show('chat'));
element('load-again', HTMLButtonElement).addEventListener('click', () => {
  const used = chat.conversation.model;
  if (used) startAgain(used);
});
element('error-close', HTMLButtonElement).addEventListener('click', clearError);
element('notice-close', HTMLButtonElement).addEventListener('click', hideNotice);

const about = element('about', HTMLDetailsElement);
addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || element('settings-dialog', HTMLDialogElement).open) return;
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
document.body.inert = false;
