// Runs in the page: loads files that are wrong, and uses what loads all the same.
import { load } from '/pkg/dist/index.js';
import init, { Loader } from '/pkg/dist/wasm/pagelm.js';
import { asData } from './in-page.js';
import { flipped, groups } from './malformed.js';

const TIMEOUT_MS = 30_000;

/** @param {{ group: string, every: number }} wanted  `every`: 4 runs the first case and every fourth after it */
export async function runGroup({ group, every }) {
  const outcomes = [];
  const cases = groups[group]().filter((_, index) => index % every === 0);
  for (const { name, bytes, codes, options } of cases) outcomes.push({ name, codes, ...await outcome(bytes, options) });
  return outcomes;
}

/** @param {{ url?: string, count: number, seed: number, headerEnd: number }} wanted  without `url`: of the small model */
export async function runFlips({ url, count, seed, headerEnd }) {
  const whole = url ? new Uint8Array(await (await fetch(url)).arrayBuffer()) : groups['the file itself, unchanged']()[0].bytes;
  const outcomes = [];
  for (const { name, bytes } of flipped(whole, count, seed, headerEnd)) outcomes.push({ name, ...await outcome(bytes) });
  return outcomes;
}

/** What comes of loading and using a file: the code of every error on the way. */
async function outcome(/** @type {Uint8Array} */ bytes, options = {}) {
  const started = performance.now();
  /** @type {{ code: string, message: string }[]} */
  const errors = [];
  const note = (/** @type {unknown} */ error) => { errors.push(asData(error)); };
  const late = new Promise((resolve) => { setTimeout(resolve, TIMEOUT_MS, 'late'); });
  /** @type {any} */
  let model;
  const work = (async () => {
    try {
      model = await load(new Blob([/** @type {any} */ (bytes)]), { backend: 'cpu', ...options });
    } catch (error) {
      return note(error);
    }
    await model.tokenize('abc, é 🦜').catch(note);
    await model.detokenize([0, 1, 2, model.info.vocabularySize - 1]).catch(note);
    await model.applyChatTemplate([{ role: 'user', content: 'abc' }]).catch(note);
    await model.score([2, 3, 4]).catch(note);
    await model.generate([2, 3], { maxTokens: 2, temperature: 0 }).result().catch(note);
    await model.generate([2, 3], { maxTokens: 2, logprobs: 2, ignoreEos: true }).result().catch(note);
  })();
  if (await Promise.race([work, late]) === 'late') errors.push({ code: 'timeout', message: `no answer in ${TIMEOUT_MS} ms` });
  await model?.close();
  return { errors, ms: performance.now() - started };
}

/**
 * Bytes of WebAssembly memory after each case of a group, in one engine, which the package's worker would end.
 * Nothing here may trap: that is what `runGroup` shows.
 * @param {{ group: string }} wanted
 */
export async function memoryOf({ group }) {
  const { memory } = await init({ module_or_path: new URL('/pkg/dist/wasm/pagelm_bg.wasm', location.href) });
  const before = memory.buffer.byteLength;
  const outcomes = [];
  for (const { name, bytes } of groups[group]()) {
    const loader = new Loader({ backend: 'cpu', fileBytes: bytes.length });
    try {
      if (loader.push(bytes)) await loader.prepare();
    } catch { /* the other tests look at the error */ }
    loader.free();
    outcomes.push({ name, grown: memory.buffer.byteLength - before });
  }
  return outcomes;
}
