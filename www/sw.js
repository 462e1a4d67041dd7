// The service worker: keeps the page and the engine on the device, so that both open without a network, and gives the
// page the two headers that threads need where its host sends none. Models are the package's business; they pass by.

/** Path from the scope -> SHA-256 in base64. @type {Record<string, string>} */
const files = {}; // scripts/site.mjs writes the list here; each change of it is a new version of the page

const worker = /** @type {any} */ (globalThis);
const cacheName = 'pagelm-files';
/** @type {string} ends in a slash */
const scope = worker.registration.scope;

/** The hash is part of the key: versions lie side by side until the old one is not used any more. @param {string} path */
const keyOf = (path) => `${scope}${path}?sha256=${encodeURIComponent(files[path])}`;

worker.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(fetchAll()));

worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(takeOver()));

worker.addEventListener('message', (/** @type {any} */ event) => {
  if (event.data === 'activate') worker.skipWaiting();
});

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const path = pathOf(event.request);
  if (path !== undefined) event.respondWith(answer(path, event.request));
});

/** Everything that is new in this version; what has not changed stays as it is. */
async function fetchAll() {
  const cache = await caches.open(cacheName);
  await Promise.all(Object.entries(files).map(async ([path, hash]) => {
    if (await cache.match(keyOf(path))) return;
    // a host in the middle of an update gives other bytes: then this version is not installed, and tried again later
    const response = await fetch(scope + path, { cache: 'no-cache', integrity: `sha256-${hash}` });
    if (!response.ok) throw new Error(`${path}: status ${response.status}`);
    await cache.put(keyOf(path), response);
  }));
}

async function takeOver() {
  const cache = await caches.open(cacheName);
  const wanted = new Set(Object.keys(files).map(keyOf));
  for (const request of await cache.keys()) {
    if (!wanted.has(request.url)) await cache.delete(request);
  }
  await worker.clients.claim(); // so that the first visit is already an offline one
}

/** Of a request for one of the files. @param {Request} request @returns {string | undefined} */
function pathOf(request) {
  const [address] = request.url.split(/[?#]/);
  if (request.method !== 'GET' || request.headers.has('range') || !address.startsWith(scope)) return undefined;
  const path = decodeURIComponent(address.slice(scope.length)) || 'index.html';
  return Object.hasOwn(files, path) ? path : undefined;
}

/** @param {string} path @param {Request} request */
async function answer(path, request) {
  const cache = await caches.open(cacheName);
  // the browser may have thrown the copy away
  const response = (await cache.match(keyOf(path))) ?? (await fetch(request));
  return isolated(response);
}

/** The same response, in a page that may share memory between threads. @param {Response} response */
function isolated(response) {
  if (response.type === 'opaque' || response.type === 'error') return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of [
    ['Cross-Origin-Opener-Policy', 'same-origin'],
    ['Cross-Origin-Embedder-Policy', 'require-corp'],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
  ]) {
    if (!headers.has(name)) headers.set(name, value);
  }
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
