// What a server can do wrong, on request. See `Fault`.
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * @typedef {object} Fault  What happens to requests whose path matches, instead of the plain answer.
 * @property {string | RegExp} path    the whole path, or a pattern for it
 * @property {RegExp} [range]          only requests with such a Range header
 * @property {number} [after]          not the first so many of them
 * @property {number} [times]          how many requests it hits; every one without it
 * @property {string} [bearer]         answer with 401 to who does not send this token; a preflight never does
 * @property {number} [status]         answer with this status and no body
 * @property {Record<string, string | null>} [headers]  headers to set, or to leave out, whatever the answer
 * @property {boolean} [noRanges]      take no notice of Range
 * @property {boolean} [gzip]          compress the whole body
 * @property {boolean} [chunked]       do not say how long the body is
 * @property {string} [redirect]       answer with 302 to this address
 * @property {boolean} [drop]          close the connection without an answer
 * @property {number} [truncateAfter]  cut the connection after this many body bytes
 * @property {number} [endAfter]       end the body after so many bytes, as if that were all
 * @property {number} [stallAfter]     send no more after this many body bytes, and keep the connection
 * @property {number} [delayMs]        wait this long before each chunk (64 KiB) of the body
 * @property {number} [corrupt]        flip the bits of this byte of the body
 */

/** @param {Fault[]} faults @param {string} path @param {string | undefined} range */
export function takeFault(faults, path, range) {
  const fault = faults.find((candidate) => (candidate.times ?? 1) > 0
    && (typeof candidate.path === 'string' ? candidate.path === path : candidate.path.test(path))
    && (candidate.range === undefined || candidate.range.test(range ?? '')));
  if (fault === undefined) return undefined;
  if ((fault.after ?? 0) > 0) {
    fault.after = /** @type {number} */ (fault.after) - 1;
    return undefined;
  }
  if (fault.times !== undefined) fault.times -= 1;
  return fault;
}

/**
 * Sets headers as they leave, over those of whoever answers.
 * @param {import('node:http').ServerResponse} response @param {Record<string, string | null>} headers
 */
export function forceHeaders(response, headers) {
  const writeHead = response.writeHead.bind(response);
  response.writeHead = (/** @type {any[]} */ ...args) => {
    for (const [name, value] of Object.entries(headers)) {
      if (value === null) response.removeHeader(name);
      else response.setHeader(name, value);
    }
    return /** @type {any} */ (writeHead)(...args);
  };
}

/** How long a connection lasts after the last byte before a drop. */
const DROP_MS = 300;

/**
 * Slows the body down, cuts it short or changes it. The headers stay as they were, so that a client sees what a dropped
 * connection looks like: a Content-Length that the body never reaches.
 *
 * @param {import('node:http').ServerResponse} response
 * @param {Fault} fault
 */
export function injectFault(response, { truncateAfter = Infinity, endAfter = Infinity, stallAfter = Infinity, delayMs = 0, corrupt = -1 }) {
  if ([truncateAfter, endAfter, stallAfter].every((limit) => limit === Infinity) && delayMs === 0 && corrupt < 0) return;
  const write = /** @type {(chunk: Uint8Array, done?: () => void) => boolean} */ (response.write.bind(response));
  const end = response.end.bind(response);
  const limit = Math.min(truncateAfter, endAfter, stallAfter);
  let at = 0;
  let sent = Promise.resolve(); // settles when everything so far is written: the file may end before that
  const stop = () => {
    if (stallAfter === limit) return;
    // not at once: a reset overtakes what was sent before it
    if (truncateAfter === limit) setTimeout(() => response.destroy(), DROP_MS);
    else end();
  };
  response.write = (/** @type {any} */ chunk) => {
    sent = sent.then(() => sleep(delayMs)).then(() => {
      if (response.destroyed || at > limit) return;
      const kept = Buffer.from(chunk.subarray(0, Math.min(chunk.length, limit - at)));
      if (corrupt >= at && corrupt < at + kept.length) kept[corrupt - at] ^= 0xff;
      at += kept.length;
      if (kept.length < chunk.length) {
        at = Infinity;
        return void (kept.length > 0 ? write(kept, stop) : stop());
      }
      write(kept);
      response.emit('drain');
    });
    return false; // the file stream waits for the drain
  };
  response.end = (/** @type {any[]} */ ...args) => {
    sent.then(() => response.destroyed || at === Infinity || /** @type {any} */ (end)(...args));
    return response;
  };
}
