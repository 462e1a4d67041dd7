// Conversations as a file: written for a backup, and read with the distrust that any file deserves.

/** @typedef {import('./conversations.js').Conversation} Conversation */
/** @typedef {import('./conversations.js').Message} Message */

const format = 'pagelm-conversations';
/** In bytes. A year of daily chats is about a tenth of it. */
const largestFile = 100e6;

/** @param {Conversation[]} conversations */
export function toFile(conversations) {
  const text = JSON.stringify({ format, version: 1, conversations }, undefined, 1);
  return new File([text], `pagelm-chats-${new Date().toISOString().slice(0, 10)}.json`, { type: 'application/json' });
}

/** Lets the browser save a file. @param {File} file */
export function download(file) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be asking where to
}

/** @param {Blob} file @returns {Promise<Conversation[]>} @throws {Error} with the reason */
export async function fromFile(file) {
  if (file.size > largestFile) throw new Error(`It is ${file.size} bytes long; at most ${largestFile} are read.`);
  /** @type {any} */
  let data;
  try {
    data = JSON.parse(await file.text());
  } catch (cause) {
    throw new Error('It is no JSON file.', { cause });
  }
  if (data?.format !== format || data.version !== 1 || !Array.isArray(data.conversations)) {
    throw new Error(`It is no export of this page: "format" is ${JSON.stringify(data?.format)?.slice(0, 40)}, not "${format}" of version 1.`);
  }
  return data.conversations.map(checked);
}

/** A conversation with nothing but what one has. @param {any} value @param {number} index @returns {Conversation} */
function checked(value, index) {
  const fail = (/** @type {string} */ what) => new Error(`Conversation ${index + 1} has no valid ${what}.`);
  if (typeof value?.id !== 'string' || !/^[\w-]{1,64}$/.test(value.id)) throw fail('id');
  if (typeof value.title !== 'string' || value.title.length > 500) throw fail('title');
  if (!Number.isFinite(value.created) || !Number.isFinite(value.updated)) throw fail('time');
  if (!Array.isArray(value.messages) || !value.messages.every(isMessage)) throw fail('messages');
  const { id, title, created, updated } = value;
  const model = typeof value.model?.name === 'string' ? { model: { name: value.model.name.slice(0, 200) } } : {};
  return { id, title, created, updated, ...model, messages: value.messages.map(checkedMessage) };
}

/** @param {any} value */
const isMessage = (value) => ['user', 'assistant'].includes(value?.role) && typeof value.content === 'string';

/** @param {any} value @returns {Message} */
function checkedMessage({ role, content, reasoning, note }) {
  return {
    role,
    content,
    ...(typeof reasoning === 'string' && { reasoning }),
    ...(typeof note === 'string' && { note: note.slice(0, 200) }),
  };
}
