// The one place that knows what the package can do with addresses and with what it keeps: the rest of the page asks here.
// The engine is fetched when it is first needed, not with the page.

/** @typedef {import('./pagelm.js').Model} Model */
/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {import('./pagelm.js').UrlSource} UrlSource */
/** @typedef {import('./pagelm.js').LoadOptions} LoadOptions */

const hub = 'https://huggingface.co';

/** @param {ModelSource} source @param {LoadOptions} options @returns {Promise<Model>} */
export async function load(source, options) {
  const pagelm = await import('./pagelm.js');
  return pagelm.load(source, options);
}

/**
 * What a person typed or the catalogue says, as a source: `hf:owner/repo/path@revision` or an http(s) address.
 * @param {string} text @returns {UrlSource} @throws {Error} with what an address looks like
 */
export function sourceOf(text) {
  const trimmed = text.trim();
  const hubFile = /^hf:([\w.-]+)\/([\w.-]+)\/([^@\s]+\.gguf)(?:@([\w./-]+))?$/i.exec(trimmed);
  if (hubFile) {
    const [, owner, repository, path, revision = 'main'] = hubFile;
    return { url: `${hub}/${owner}/${repository}/resolve/${encodeURIComponent(revision)}/${encodeURI(path)}` };
  }
  if (/^hf:/i.test(trimmed)) throw new Error('An address on the hub has the form hf:owner/repository/file.gguf, with @revision behind it if need be.');
  const url = trimmed && URL.canParse(trimmed, document.baseURI) ? new URL(trimmed, document.baseURI) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new Error('An address begins with https:// or hf: and names a .gguf file.');
  return { url: url.href };
}

/** A name for what is behind an address: its last part. @param {string} address */
export const nameOf = (address) => decodeURIComponent(address.split(/[?#]/)[0].split('/').pop() ?? '').replace(/\.gguf$/i, '') || address;

/** What the browser says about this origin's space, in bytes. @returns {Promise<{ usage: number, quota: number } | undefined>} */
export async function space() {
  try {
    const { usage, quota } = await navigator.storage.estimate();
    return usage !== undefined && quota ? { usage, quota } : undefined;
  } catch {
    return undefined;
  }
}
