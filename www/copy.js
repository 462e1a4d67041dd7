// Buttons that copy text, and say that they did.
import { announce } from './page.js';

const thanksMs = 1600;

/** @param {string} label  what a screen reader calls it @param {() => string} text */
export function copyButton(label, text) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'small';
  button.textContent = 'Copy';
  button.setAttribute('aria-label', label);
  button.addEventListener('click', async () => {
    const done = await copy(text());
    button.textContent = done ? 'Copied' : 'Not allowed';
    announce(done ? 'Copied' : 'The browser does not allow copying');
    setTimeout(() => { button.textContent = 'Copy'; }, thanksMs);
  });
  return button;
}

/** @param {string} text @returns {Promise<boolean>} whether the browser let it happen */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not a secure context, or permission was refused
  }
}
