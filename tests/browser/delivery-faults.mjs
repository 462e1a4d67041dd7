// What goes wrong on the way to a model, and what has to come of it: the table of delivery.test.mjs.

/** @typedef {import('../server/faults.mjs').Fault} Fault */
/**
 * @typedef {object} Row
 * @property {string} name
 * @property {Omit<Fault, 'path'>[]} [faults]  of the server, for the model's path
 * @property {'loads' | string} outcome  `loads`, or the code of the error
 * @property {RegExp} [message]  of the error
 * @property {string} [source]   another address
 * @property {'given' | 'wrong'} [sha256]
 * @property {Record<string, any>} [download]  options
 * @property {'damage' | 'abort' | 'close' | 'twice' | 'locked'} [act]  besides, see delivery-page.js
 * @property {string} [damage]   what `damage` does to the store
 * @property {'all' | 'open' | 'hidden'} [cors]  from another origin: what it allows
 * @property {number} [atMost]   bytes that the next load may fetch
 * @property {number} [atLeast]  bytes that it has to fetch
 * @property {number} [requests] of the load
 * @property {boolean} [cache]   false: nothing is stored, even where it could be
 */

const quick = { retries: 1, stallMs: 400 };
const mib = 2 ** 20;
/** Requests for anything but the beginning. */
const later = /^bytes=[1-9]/;

/** @type {Row[]} */
export const network = [
  { name: 'nothing', outcome: 'loads', requests: 3 },
  { name: 'status 500, once', faults: [{ status: 500, times: 1 }], outcome: 'loads' },
  { name: 'status 503 with Retry-After', faults: [{ status: 503, headers: { 'retry-after': '1' }, times: 1 }], outcome: 'loads' },
  { name: 'status 429, three times, in mid-download', faults: [{ status: 429, range: later, times: 3 }], outcome: 'loads' },
  { name: 'status 500, always', faults: [{ status: 500 }], download: quick, outcome: 'network', message: /500.*tried 2 times/ },
  { name: 'status 500, from the second range on', faults: [{ status: 500, range: later }], download: quick, outcome: 'network', message: /500/, atMost: 6.3 * mib },
  { name: 'status 403', faults: [{ status: 403 }], outcome: 'network', message: /403.*permission/, requests: 1 },
  { name: 'status 404', faults: [{ status: 404 }], outcome: 'network', message: /404.*no such file/, requests: 1 },
  { name: 'status 416: an empty file', faults: [{ status: 416 }], outcome: 'network', message: /empty/ },
  { name: 'no server', source: 'http://localhost:9/m.gguf', outcome: 'network', message: /cannot be fetched/ },
  { name: 'connection closed without an answer, once', faults: [{ drop: true, times: 1 }], outcome: 'loads' },
  { name: 'connection closed without an answer, in mid-download', faults: [{ drop: true, range: later, times: 2 }], outcome: 'loads' },
  { name: 'connection dropped at once', faults: [{ truncateAfter: 0, times: 2 }], outcome: 'loads' },
  { name: 'connection dropped in the first range', faults: [{ truncateAfter: mib, times: 1 }], outcome: 'loads' },
  { name: 'connection dropped after 700,000 bytes, always', faults: [{ truncateAfter: 700_000 }], outcome: 'loads' },
  { name: 'connection dropped after 700,000 bytes, no retries', faults: [{ truncateAfter: 700_000, range: later }], download: { retries: 0 }, outcome: 'network', atMost: 6.3 * mib },
  { name: 'a body that ends early, as if that were all', faults: [{ endAfter: mib, headers: { 'content-length': null }, times: 2 }], outcome: 'loads' },
  { name: 'a body that stalls', faults: [{ stallAfter: 500_000, range: later, times: 1 }], download: { stallMs: 400 }, outcome: 'loads' },
  { name: 'no answer, once', faults: [{ stallAfter: 0, times: 1 }], download: { stallMs: 400 }, outcome: 'loads' },
  { name: 'no answer, ever', faults: [{ stallAfter: 0 }], download: quick, outcome: 'network', message: /400 ms/ },
  { name: 'no byte ranges', faults: [{ noRanges: true, headers: { 'accept-ranges': null } }], outcome: 'loads', requests: 1 },
  { name: 'no byte ranges, a drop: the ETag proves the rest', faults: [{ noRanges: true, truncateAfter: 3 * mib, times: 1 }, { noRanges: true }], outcome: 'loads', requests: 2 },
  { name: 'no byte ranges, no ETag, a drop', faults: [{ noRanges: true, truncateAfter: 3 * mib, times: 1, headers: { etag: null, 'last-modified': null } }, { noRanges: true, headers: { etag: null, 'last-modified': null } }], outcome: 'network', message: /prove/ },
  { name: 'no byte ranges, no ETag, a drop: the hash proves the rest', faults: [{ noRanges: true, truncateAfter: 3 * mib, times: 1, headers: { etag: null, 'last-modified': null } }, { noRanges: true, headers: { etag: null, 'last-modified': null } }], sha256: 'given', outcome: 'loads' },
  { name: '200 instead of 206 in mid-download, once', faults: [{ noRanges: true, range: later, times: 1 }], outcome: 'loads' },
  { name: '200 instead of 206 in mid-download, always', faults: [{ noRanges: true, range: later }], download: quick, outcome: 'network', message: /instead of 206/ },
  { name: 'an ETag that changes in mid-download', faults: [{ range: later, headers: { etag: '"other"' } }], outcome: 'network', message: /has changed.*ETag/ },
  { name: 'a size that changes in mid-download', faults: [{ range: later, headers: { 'content-range': `bytes ${4 * mib}-${8 * mib - 1}/999999999` } }], outcome: 'network', message: /has changed|Content-Range/ },
  { name: 'Content-Range of another place', faults: [{ range: later, headers: { 'content-range': 'bytes 7-4194310/10700000' } }], outcome: 'network', message: /has changed|Content-Range/ },
  { name: 'Content-Range that cannot be read', faults: [{ headers: { 'content-range': 'bytes all of it' } }], outcome: 'network', message: /Content-Range/ },
  { name: 'Content-Encoding gzip, of the whole', faults: [{ gzip: true, noRanges: true }], outcome: 'loads' },
  { name: 'Content-Encoding gzip, claimed of ranges only', faults: [{ headers: { 'content-encoding': 'gzip' }, range: /./, times: 1 }, { noRanges: true }], outcome: 'loads' },
  { name: 'a body of unknown length', faults: [{ chunked: true, noRanges: true }], outcome: 'loads' },
  { name: 'a redirect', faults: [{ redirect: '/made/elsewhere.gguf' }], outcome: 'loads' },
  { name: 'a redirect to itself', faults: [{ redirect: '/made/m.gguf' }], download: quick, outcome: 'network' },
  { name: 'a changed byte, and a hash', faults: [{ corrupt: 5, range: later, times: 1 }], sha256: 'given', outcome: 'hash-mismatch' },
  { name: 'a changed byte, and the hash that the hub sends', faults: [{ corrupt: 5, range: later, times: 1, headers: { 'x-linked-etag': 'HASH' } }, { headers: { 'x-linked-etag': 'HASH' } }], outcome: 'hash-mismatch', message: /the hub promises/ },
  { name: 'the hash that the hub sends', faults: [{ headers: { 'x-linked-etag': 'HASH' } }], outcome: 'loads' },
  { name: 'another hash than was asked for', sha256: 'wrong', outcome: 'hash-mismatch', message: /was asked for/ },
  { name: 'a page instead of a file', source: '/index.html', outcome: 'invalid-gguf' },
  { name: 'another origin that allows everything', cors: 'all', outcome: 'loads' },
  { name: 'another origin that hides its headers', cors: 'open', outcome: 'loads' },
  { name: 'another origin that allows nothing (CORS)', cors: 'hidden', outcome: 'network', message: /CORS/ },
];

/** Where there is a private file system. @type {Row[]} */
export const storage = [
  { name: 'the tab is closed in mid-download', act: 'close', faults: [{ delayMs: 150 }], outcome: 'gone', atMost: 6.3 * mib },
  { name: 'a signal in mid-download', act: 'abort', faults: [{ delayMs: 50 }], outcome: 'aborted', atMost: 6.3 * mib },
  { name: 'the file has changed since the tab was closed', act: 'close', faults: [{ delayMs: 150, headers: { etag: '"old"' } }], outcome: 'gone', atLeast: 10 * mib },
  { name: 'the stored file is cut short', act: 'damage', damage: 'cut', outcome: 'loads' },
  { name: 'the stored file is gone', act: 'damage', damage: 'gone', outcome: 'loads' },
  { name: 'the index is garbage', act: 'damage', damage: 'index', outcome: 'loads' },
  { name: 'the index is gone', act: 'damage', damage: 'no index', outcome: 'loads' },
  { name: 'the log of an unfinished download is garbage', act: 'damage', damage: 'log', outcome: 'loads' },
  { name: 'an unfinished download is shorter than its log says', act: 'damage', damage: 'part', outcome: 'loads' },
  { name: 'the stored file is open elsewhere', act: 'locked', outcome: 'loads', requests: 0 },
  { name: 'two tabs load the same model', act: 'twice', outcome: 'loads', requests: 3 },
];

/** In a browser with a quota of a few megabytes. @type {Row[]} */
export const quota = [
  { name: 'no room for a copy that was asked for', outcome: 'storage', message: /no room/i },
  { name: 'no room for a copy that nobody asked for', cache: false, outcome: 'loads' },
];
