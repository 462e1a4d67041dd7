// Runs in the page: fills the store and empties it until the browser is killed, and looks at what is left.
import { load, models } from '/pkg/dist/index.js';
import { inventory } from './delivery-page.js';

const url = '/made/m.gguf';
const options = { backend: /** @type {const} */ ('cpu'), cache: /** @type {const} */ ('opfs') };

export async function churn() {
  for (;;) {
    const model = await load(url, options);
    await model.close();
    for (const { id } of await models.list()) {
      await models.pin(id);
      await models.remove(id);
    }
  }
}

/** What a kill has left, by the store's own word and by the bytes. */
export async function examine() {
  const before = await inventory();
  const list = await models.list();
  const wrong = [...before?.wrong ?? []];
  for (const { id } of list) if (!(await models.verify(id)).ok) wrong.push(`model ${id}`);
  const { unfinishedBytes } = await models.usage();
  return { models: list.length, unfinished: unfinishedBytes, wrong };
}

/** Two loads: what there is in the end. */
export async function settle() {
  await (await load(url, options)).close();
  let fromCache;
  const onProgress = (/** @type {any} */ event) => { if (event.type === 'ready') ({ fromCache } = event); };
  await (await load(url, { ...options, onProgress })).close();
  const ids = (await models.list()).map(({ id }) => id);
  return { ids, ok: (await models.verify(ids[0])).ok, fromCache };
}
