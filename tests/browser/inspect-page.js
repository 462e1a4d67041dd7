// Runs in the page: inspections, told as data.
import { inspect, load } from '/pkg/dist/index.js';
import { asData } from './in-page.js';

/** @param {Promise<any>} promise */
const orError = (promise) => promise.catch((error) => ({ error: asData(error) }));

/** @param {{ source: any, options?: any }} wanted */
export const look = ({ source, options }) => orError(inspect(source, options));

/** @param {{ url: string }} wanted */
export const lookAtBlob = async ({ url }) => orError(inspect(await (await fetch(url)).blob()));

/** @param {{ source: any, options?: any }} wanted */
export const refused = ({ source, options }) => orError(load(source, options).then(async (model) => {
  await model.close();
  return { info: model.info };
}));

/** What is said before and after loading. @param {{ source: any, options: any }} wanted */
export const compare = ({ source, options }) => orError((async () => {
  const inspection = await inspect(source, { contextLength: options.contextLength });
  const model = await load(source, { cache: 'none', ...options });
  await model.close();
  return { inspection, info: model.info };
})());
