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
 * @param {{ url: string, backend: string, cache?: string, logits?: number[][], scores?: number[][],
 *           greedy?: { tokens: number[], maxTokens: number }[], texts?: string[] }} wanted
 */
export async function numbers({ url, backend, cache = 'none', logits = [], scores = [], greedy = [], texts = [] }) {
  const model = await load(url, { backend, cache });
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
