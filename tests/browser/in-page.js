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
 * @param {{ url: string, backend: 'cpu' | 'webgpu', build?: { kernels?: 'baseline' | 'relaxed', threads?: number }, cache?: 'opfs' | 'none', logits?: number[][], scores?: number[][],
 *           greedy?: { tokens: number[], maxTokens: number }[], texts?: string[] }} wanted
 */
export async function numbers({ url, backend, build = {}, cache = 'none', logits = [], scores = [], greedy = [], texts = [] }) {
  const model = await load(url, { backend, cache, ...build });
  try {
    const answer = { info: model.info, logits: [], scores: [], greedy: [], texts: [], tokens: [] };
    const out = /** @type {Record<string, any[]>} */ (/** @type {any} */ (answer));
    for (const tokens of logits) out.logits.push(Array.from(await model.logits(tokens)));
    for (const tokens of scores) out.scores.push(Array.from(await model.score(tokens)));
    for (const { tokens, maxTokens } of greedy) {
      const result = await model.generate(tokens, { temperature: 0, maxTokens, ignoreEos: true }).result();
      out.greedy.push(result.tokens);
      out.texts.push(result.text);
    }
    for (const text of texts) out.tokens.push(await model.tokenize(text));
    return answer;
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
