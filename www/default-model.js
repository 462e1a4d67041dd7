// The model that the page offers first: beside the page, where the site has it, or on the hub (scripts/site.mjs decides).
import { sourceOf } from './store.js';

/** @typedef {{ name: string, detail: string, source: import('./pagelm.js').UrlSource }} DefaultModel */

/** @returns {Promise<DefaultModel>} */
export async function defaultModel() {
  const { name, detail, file, sha256, source } = await (await fetch('./default-model.json')).json();
  return { name, detail, source: source ? sourceOf(source) : { url: new URL(`./models/${file}`, document.baseURI).href, sha256 } };
}
