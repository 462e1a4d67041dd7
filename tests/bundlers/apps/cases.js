// Runs in the page: cases by name, and what came of each.

/** @param {unknown} actual @param {unknown} expected @param {string} [what] */
export function equal(actual, expected, what = 'it') {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what} is ${a}, expected is ${b}`);
}

/** @param {boolean} condition @param {string} what */
export function holds(condition, what) {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

/** What `promise` rejects with. @param {Promise<unknown>} promise @returns {Promise<any>} */
export async function failure(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`gave ${JSON.stringify(value)}, expected is a failure`);
}

/** Leaves the outcomes in `done`. @param {() => Promise<Record<string, () => Promise<void>>>} prepare */
export function run(prepare) {
  /** @type {string[]} */
  const violations = [];
  addEventListener('securitypolicyviolation', (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  /** @type {any} */ (globalThis).done = outcomes(prepare).then((cases) => ({ cases, violations }), (error) => ({ error: String(error?.stack ?? error), violations }));
}

/** @param {() => Promise<Record<string, () => Promise<void>>>} prepare */
async function outcomes(prepare) {
  /** @type {Record<string, string>} */
  const out = {};
  for (const [name, body] of Object.entries(await prepare())) {
    out[name] = await body().then(() => 'ok', (error) => String(error?.stack ?? error));
  }
  return out;
}
