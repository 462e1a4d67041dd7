// Runs in the page: what the tests ask of the package, with answers that survive JSON.
import { load, PagelmError } from '/pkg/dist/index.js';

/** An error as data; the page's own kind keeps its code. */
export const asData = (/** @type {any} */ error) => ({
  code: PagelmError.isInstance(error) ? error.code : `not a PagelmError: ${error?.name}`,
  message: String(error?.message ?? error),
});

/** The error of a promise that has to fail. @param {Promise<unknown>} promise */
export const failure = (promise) => promise.then((value) => ({ code: 'no error', message: `it gave ${JSON.stringify(value)}` }), asData);

/**
 * Everything that the golden tests want to know of one model.
 *
 * @param {{ url: string, edits?: import('./faults.mjs').Edit[], backend: 'cpu' | 'webgpu', build?: import('./paths.mjs').Build, cache?: 'opfs' | 'none',
 *           logits?: number[][], scores?: number[][], likely?: { tokens: number[], ids: number[] }[],
 *           greedy?: { tokens: number[], maxTokens: number }[], texts?: string[] }} wanted
 * @param {() => Promise<any>} [look]  what else is to be known, while the model is there
 */
export async function numbers({ url, edits = [], backend, build = {}, cache = 'none', logits = [], scores = [], likely = [], greedy = [], texts = [] }, look) {
  const model = await load(edits.length ? await edited(url, edits) : url, { backend, cache, ...build });
  try {
    const answer = { info: model.info, logits: [], scores: [], likely: [], greedy: [], texts: [], tokens: [] };
    const out = /** @type {Record<string, any[]>} */ (/** @type {any} */ (answer));
    for (const tokens of logits) out.logits.push(Array.from(await model.logits(tokens)));
    for (const tokens of scores) out.scores.push(Array.from(await model.score(tokens)));
    for (const { tokens, ids } of likely) out.likely.push(likelihood(await model.logits(tokens), ids));
    for (const { tokens, maxTokens } of greedy) {
      const result = await model.generate(tokens, { temperature: 0, maxTokens, ignoreEos: true }).result();
      out.greedy.push(result.tokens);
      out.texts.push(result.text);
    }
    for (const text of texts) out.tokens.push(await model.tokenize(text));
    return { ...answer, seen: await look?.() };
  } finally {
    await model.close();
  }
}

/**
 * A file with some of its bytes changed.
 * @param {string} url @param {import('./faults.mjs').Edit[]} edits
 */
async function edited(url, edits) {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  for (const { at, xor, step = 0, count = 1 } of edits) {
    for (let i = 0; i < count; i++) bytes[at + i * step] ^= xor;
  }
  return new Blob([bytes]);
}

/**
 * The log-probabilities of some ids, and the largest of all others. One NaN makes all of them NaN.
 * @param {Float32Array} logits @param {number[]} ids
 */
function likelihood(logits, ids) {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const total = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
  const others = logits.filter((_, id) => !ids.includes(id)).reduce((a, b) => Math.max(a, b), -Infinity);
  return { of: ids.map((id) => logits[id] - total), others: others - total };
}

/**
 * Goes back to some point of a text and on from there, again and again, and leaves generations in the middle. Everything is compared
 * with a run from the beginning: the worst difference of a log-probability, and how often a prefix was kept and not kept.
 *
 * @param {{ url: string, backend: 'cpu' | 'webgpu', build?: import('./paths.mjs').Build }} wanted
 */
export async function goBack({ url, backend, build = {} }) {
  const model = await load(url, { backend, cache: 'none', contextLength: 256, ...build });
  let state = 1;
  const below = (/** @type {number} */ end) => (state = (state * 48271) % 2147483647) % end; // Park and Miller
  const leave = async (/** @type {number[]} */ prompt, /** @type {number} */ most) => {
    const generation = model.generate(prompt, { temperature: 0, ignoreEos: true });
    let count = 0;
    for await (const part of generation) if (part.type === 'text-delta' && ++count === most) break;
    return generation.result();
  };
  const logProbabilities = async (/** @type {number[]} */ tokens) => {
    const logits = await model.logits(tokens);
    const largest = logits.reduce((a, b) => Math.max(a, b));
    const total = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    return Array.from(logits, (logit) => logit - total);
  };
  try {
    let [worst, kept, begun] = [0, 0, 0];
    /** @type {number[]} */
    let text = [];
    for (let round = 0; round < 8; round++) {
      // a little, and anywhere, in turn; how long texts are depends on when they are left, so once it is surely far
      const back = round === 1 ? text.length - 4 : round % 2 ? below(text.length + 1) : below(8);
      const shared = Math.min(150, Math.max(0, text.length - back));
      const added = round === 0 ? 150 : 20 + below(60);
      const prompt = [...text.slice(0, shared), ...Array.from({ length: added }, () => 10 + below(300))];
      const most = 1 + below(6);
      const { tokens, timings } = await leave(prompt, most);
      if (timings.cachedTokens > 0) kept++;
      else if (shared > 0) begun++;
      text = [...prompt, ...tokens];
      const went = await logProbabilities(text);
      await model.logits([text[0] === 9 ? 8 : 9]); // nothing is shared with it
      const again = await model.generate(prompt, { temperature: 0, ignoreEos: true, maxTokens: tokens.length }).result();
      equal(again.timings.cachedTokens, 0);
      equal(again.tokens, tokens, `round ${round}, after ${prompt.length} tokens`);
      const fresh = await logProbabilities(text);
      worst = went.reduce((most, value, id) => Math.max(most, Math.abs(value - fresh[id])), worst);
    }
    return { worst, kept, begun, info: model.info };
  } finally {
    await model.close();
  }
}

/** @param {unknown} actual @param {unknown} expected @param {string} [what] */
export function equal(actual, expected, what = 'it') {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what} is ${a}, expected is ${b}`);
}

/** @param {boolean} condition @param {string} what */
export function holds(condition, what) {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

/**
 * The error with which `promise` has to fail.
 * @param {string} code @param {Promise<unknown>} promise
 */
export async function fails(code, promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    if (PagelmError.isInstance(error) && error.code === code) return error;
    throw new Error(`failed with ${JSON.stringify(asData(error))}, expected is ${code}`);
  }
  throw new Error(`gave ${JSON.stringify(value)}, expected is the error ${code}`);
}
