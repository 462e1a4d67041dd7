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

/** Loads a stored model and keeps it for as long as it takes until its use is noted, which nobody waits for. @param {{ source: any, id: string }} wanted */
export async function useAgain({ source, id }) {
  const model = await load(source, { backend: 'cpu' });
  while ((await ids())[0] !== id) await new Promise((resolve) => { setTimeout(resolve, 50); });
  await model.close();
}

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
