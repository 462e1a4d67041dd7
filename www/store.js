// The one place that knows what the package can do with addresses and with what it keeps: the rest of the page asks here.
// The engine is fetched when it is first needed, not with the page.

/** @typedef {import('./pagelm.js').Model} Model */
/** @typedef {import('./pagelm.js').ModelSource} ModelSource */
/** @typedef {import('./pagelm.js').UrlSource} UrlSource */
/** @typedef {import('./pagelm.js').LoadOptions} LoadOptions */

/** @param {ModelSource} source @param {LoadOptions} options @returns {Promise<Model>} */
export async function load(source, options) {
  const pagelm = await import('./pagelm.js');
  return pagelm.load(source, options);
}

/** The models that are kept on this device. @returns {Promise<import('./pagelm.js').Models>} */
export async function modelStore() {
  return (await import('./pagelm.js')).models;
}

/** @param {ModelSource} source @param {import('./pagelm.js').InspectOptions} options @returns {Promise<import('./pagelm.js').Inspection>} */
export async function inspect(source, options) {
  return (await import('./pagelm.js')).inspect(source, options);
}

/**
 * What a person typed or the catalogue says, as a source: `hf:owner/repo/path@revision` or an http(s) address.
 * @param {string} text @returns {UrlSource} @throws {Error} with what an address looks like
 */
export function sourceOf(text) {
  const trimmed = text.trim();
  if (/^hf:/i.test(trimmed)) {
    if (/^hf:[^/\s]+\/[^/\s]+\/\S+$/i.test(trimmed)) return { url: trimmed };
    throw new Error('An address on the hub has the form hf:owner/repository/file.gguf, with @revision behind it if need be.');
  }
  const url = trimmed && URL.canParse(trimmed, document.baseURI) ? new URL(trimmed, document.baseURI) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new Error('An address begins with https:// or hf: and names a .gguf file.');
  checkReach(url);
  return { url: url.href };
}

/**
 * What the page's content security policy lets it fetch from: its own server, this machine, and everything behind https.
 * @param {URL} url @throws {Error} with what can be done instead
 */
export function checkReach({ protocol, origin, hostname }) {
  if (protocol === 'https:' || origin === location.origin || ['localhost', '127.0.0.1'].includes(hostname)) return;
  throw new Error(`Without https this page fetches from http://localhost and http://127.0.0.1 only, and ${origin} is another machine. Use its https:// address, or download the file and choose it here.`);
}

/** A name for what is behind an address: its last part. @param {string} address */
export const nameOf = (address) => decodeURIComponent(address.split(/[?#]/)[0].split('/').pop() ?? '').replace(/\.gguf$/i, '') || address;

/**
 * Whether `address`, as the store has it, is where a source leads; the hub may be a mirror of it.
 * @param {UrlSource | undefined} source @param {string | undefined} address
 */
export function leadsTo(source, address) {
  const url = String(source?.url ?? '');
  // the revision is what follows the last @
  const [, repository, file, revision = 'main'] = /^hf:([^/]+\/[^/]+)\/(.+?)(?:@([^@]+))?$/i.exec(url) ?? [];
  if (!repository) return url === address;
  return address?.endsWith(`/${repository}/resolve/${encodeURIComponent(revision)}/${file.split('/').map(encodeURIComponent).join('/')}`) ?? false;
}

/**
 * Whether models may be stored here: the list of them costs a worker, which a first visit need not pay for.
 * @param {number} shellBytes  what the page itself takes at most
 */
export async function mayHaveModels(shellBytes = 20e6) {
  try {
    return ((await navigator.storage.estimate()).usage ?? 0) > shellBytes;
  } catch {
    return false;
  }
}
