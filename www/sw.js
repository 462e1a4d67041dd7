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

/**
 * The builds of the engine, of which a browser needs one or two (pkg/src/builds.ts). Kept from the first visit on is the one that
 * runs whatever the page may do: with WebGPU or the CPU, isolated or not, though with one thread. The one with threads is kept
 * once a page has asked for it, or has loaded a model; the last one is for browsers that have no other.
 */
const wasm = (/** @type {string} */ name) => `pkg/dist/wasm/${name}_bg.wasm`;
const [baseline, relaxed, threads] = ['pagelm', 'pagelm_relaxed', 'pagelm_threads'].map(wasm);
/** A function with i16x8.relaxed_dot_i8x16_i7x16_s in it. */
const hasRelaxed = WebAssembly.validate(Uint8Array.of(
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 16, 1, 14, 0,
  0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, 0xfd, 0x92, 0x02, 0x1a, 0x0b,
));
const usable = hasRelaxed ? [relaxed, threads] : [baseline];
const isBuild = (/** @type {string} */ path) => [baseline, relaxed, threads].includes(path);

worker.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(fetchAll()));

worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(takeOver()));

worker.addEventListener('message', (/** @type {any} */ event) => {
  if (event.data === 'activate') worker.skipWaiting();
  else if (event.data === 'keep-engine') event.waitUntil(keep(usable).catch(() => {})); // offline, or in mid-update: another time
});

worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const path = pathOf(event.request);
  if (path !== undefined) event.respondWith(answer(path, event.request));
});

/** Everything that is new in this version; what has not changed stays as it is. */
async function fetchAll() {
  const cache = await caches.open(cacheName);
  const before = (await cache.keys()).map((/** @type {Request} */ { url }) => url.slice(scope.length).split('?')[0]);
  await keep(Object.keys(files).filter((path) => !isBuild(path) || path === usable[0] || before.includes(path)));
}

/** @param {string[]} paths */
async function keep(paths) {
  const cache = await caches.open(cacheName);
  await Promise.all(paths.map(async (path) => {
    if (!(await cache.match(keyOf(path)))) await cache.put(keyOf(path), await fetchFile(path));
  }));
}

/** A host in the middle of an update gives other bytes: then this version is not installed, and tried again later. @param {string} path */
async function fetchFile(path) {
  const response = await fetch(scope + path, { cache: 'no-cache', integrity: `sha256-${files[path]}` });
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response;
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
  const kept = await cache.match(keyOf(path));
  if (kept) return isolated(kept);
  // the browser may have thrown the copy away
  if (!isBuild(path)) return isolated(await fetch(request));
  // an engine of another version than its scripts does not run: without this one the package goes on with the build that is here
  const build = await fetchFile(path);
  await cache.put(keyOf(path), build.clone()).catch(() => {}); // without room for it, it is fetched each time
  return isolated(build);
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
