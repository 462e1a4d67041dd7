// Runs in the page: what is asked of the store of models beside loading.
import { load, models } from '/pkg/dist/index.js';
import { attempt } from './loading-page.js';

/** A load that may make room, and what is stored afterwards. @param {{ source: any, options: any }} wanted */
export async function loadEvicting({ source, options }) {
  /** @type {any[]} */
  const evicted = [];
  const { error, scores } = await attempt({ source, options: { ...options, onEvict: (/** @type {any} */ one) => evicted.push(one) } });
  return { error, scores, evicted, ids: await ids() };
}

/** Loads a stored model and closes it as soon as it is ready: by then its use is noted. @param {{ source: any }} wanted */
export async function useAgain({ source }) {
  await (await load(source, { backend: 'cpu' })).close();
}

/** Two versions of what is at one address at the same time. @param {{ sources: any[] }} wanted  each with the hash of its version */
export async function sideBySide({ sources }) {
  const models = await Promise.all(sources.map((source) => load(source, { backend: 'cpu', cache: 'opfs' })));
  const scores = await Promise.all(models.map(async (model) => Array.from(await model.score([3, 1, 4, 1, 5]))));
  await Promise.all(models.map((model) => model.close()));
  return scores;
}

/** How often two loads ask the browser to keep what is stored, which it has not promised. @param {{ source: string }} wanted */
export async function asksToPersist({ source }) {
  let asked = 0;
  Object.assign(navigator.storage, { persisted: async () => false, persist: async () => { asked += 1; return true; } });
  for (let loads = 0; loads < 2; loads += 1) await (await load(source, { backend: 'cpu', cache: 'none' })).close();
  const without = asked;
  for (let loads = 0; loads < 2; loads += 1) await (await load(source, { backend: 'cpu' })).close();
  return [without, asked, await models.persist(), asked];
}

/** What is stored of one address, the last used first. @param {{ source: string }} wanted */
export const versions = async ({ source }) => (await models.list()).filter(({ sources }) => sources[0] === source).map(({ id, bytes, facts }) => ({ id, bytes, quantisation: facts?.quantisation }));

/** @param {{ id: string }} wanted */
export const remove = ({ id }) => models.remove(id);

/** Of what is stored, the last used first. */
export const ids = async () => (await models.list()).map(({ id }) => id);

/** @param {{ id: string }} wanted */
export const pin = ({ id }) => models.pin(id);

/** A model out of the store and into it again, as a file on another disk would be. @param {{ id: string }} wanted */
export async function roundTrip({ id }) {
  const before = await models.inspect(id);
  const exported = /** @type {File[]} */ (await models.export(id));
  const names = exported.map(({ name }) => name);
  // their bytes lie in the store, which is about to be emptied
  const files = await Promise.all(exported.map(async (file) => new File([await file.arrayBuffer()], file.name)));
  await models.remove(id);
  const removed = await ids();
  const imported = await models.import(files);
  const again = await models.import(files);
  return { before, names, removed, imported, again, check: await models.verify(id), left: await ids() };
}

/** The numbers of a stored model, loaded from its exported files. @param {{ id: string }} wanted */
export async function scoresOf({ id }) {
  const model = await load(await models.export(id), { backend: 'cpu' });
  const scores = Array.from(await model.score([3, 1, 4, 1, 5]));
  await model.close();
  return scores;
}
