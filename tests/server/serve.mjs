// The static server of the demo, `make ask`, the browser tests and the benchmarks.
//
//   const server = await serve({ roots: { '/': 'www', '/pkg/': 'pkg', '/models/': 'models' } });
//   await page.goto(server.origin);
//   server.requests            // [{ method, path, range, status, bytes }], oldest first
//   server.faults.push({ path: '/models/a.gguf', truncateAfter: 1_000_000, times: 1 });
//   await server.close();
//
// `send` answers the requests: it is the only small server library tried that gets bytes=0-0, suffix ranges and
// If-Range right, and resumable downloads are tested against exactly those.
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { isAbsolute, join } from 'node:path';
import { createGzip } from 'node:zlib';
import send from 'send';
import { forceHeaders, injectFault, takeFault } from './faults.mjs';
import { sendSparse } from './sparse.mjs';

export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));

// What a careful site sends; the package has to work under it. A worker takes its policy from its own response,
// not from the page, so this is a header on every answer and not only a <meta> in the page.
export const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** @typedef {import('./faults.mjs').Fault} Fault */
/** @typedef {{ method: string, path: string, range: string | undefined, status: number, bytes: number }} LoggedRequest  `bytes`: of the body, as sent so far */
/** @typedef {{ origin: string, requests: LoggedRequest[], faults: Fault[], files: Map<string, import('./sparse.mjs').SparseFile>, close: () => Promise<void> }} Server */

/**
 * Serves folders on the loopback interface.
 *
 * @param {object} [options]
 * @param {Record<string, string>} [options.roots]  URL prefix (ends in "/") -> folder, absolute or relative to the
 *   project; the longest prefix that matches wins
 * @param {boolean} [options.isolated]  send COOP and COEP, so that pages get SharedArrayBuffer and threads
 * @param {boolean} [options.strict]    send a content security policy
 * @param {string} [options.policy]     the policy, the one above unless given
 * @param {number} [options.port]       0 picks a free one
 * @param {boolean} [options.nextFree]  try up to 20 ports above `port` when it is taken
 * @returns {Promise<Server>}
 */
export async function serve({
  roots = { '/': 'www', '/pkg/': 'pkg', '/models/': 'models' },
  isolated = true,
  strict = true,
  policy = contentSecurityPolicy,
  port = 0,
  nextFree = false,
} = {}) {
  const mounts = mountsOf(roots);
  /** @type {LoggedRequest[]} */
  const requests = [];
  /** @type {Fault[]} */
  const faults = [];
  /** Paths of files that exist nowhere else. @type {Server['files']} */
  const files = new Map();

  const server = createServer((request, response) => {
    const path = decodedPath(request.url ?? '/');
    const entry = { method: request.method ?? '', path: path ?? '', range: request.headers.range, status: 0, bytes: 0 };
    requests.push(entry);
    response.once('close', () => { entry.status = response.statusCode; });
    countBody(response, entry);

    if (isolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    if (strict) response.setHeader('Content-Security-Policy', policy);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    // a copy may be kept but must be asked about: every use shows in the log
    response.setHeader('Cache-Control', 'no-cache');

    const mount = path !== undefined && mounts.find(({ prefix }) => path.startsWith(prefix));
    if (!mount) return void finish(response, path === undefined ? 400 : 404);

    const fault = takeFault(faults, path, request.headers.range);
    if (fault?.headers) forceHeaders(response, fault.headers);
    if (fault?.drop) return void request.socket.destroy();
    if (fault?.redirect) return void response.writeHead(302, { Location: fault.redirect }).end();
    if (fault?.bearer && request.method !== 'OPTIONS' && request.headers.authorization !== `Bearer ${fault.bearer}`) return void finish(response, 401);
    if (fault?.status) return void finish(response, fault.status);
    if (fault?.noRanges) delete request.headers.range;
    if (fault) injectFault(response, fault);
    if (fault?.gzip) compress(response);
    if (fault?.chunked) forceHeaders(response, { 'content-length': null });

    const file = files.get(path);
    if (file) return void sendSparse(request, response, file);
    send(request, encodeURI(path.slice(mount.prefix.length - 1)), { root: mount.folder, cacheControl: false })
      .on('error', (/** @type {Error & { status?: number }} */ error) => finish(response, error.status ?? 500))
      .pipe(response);
  });

  await listen(server, port, nextFree ? 20 : 0);
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    origin: `http://localhost:${address.port}`,
    requests,
    faults,
    files,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

/** @param {Record<string, string>} roots */
function mountsOf(roots) {
  return Object.entries(roots)
    .map(([prefix, folder]) => {
      if (!prefix.startsWith('/') || !prefix.endsWith('/')) {
        throw new Error(`the prefix "${prefix}" has to start and end with "/"`);
      }
      return { prefix, folder: isAbsolute(folder) ? folder : join(projectRoot, folder) };
    })
    .sort((a, b) => b.prefix.length - a.prefix.length);
}

/** @param {string} url */
function decodedPath(url) {
  try {
    return decodeURIComponent(new URL(url, 'http://localhost').pathname);
  } catch {
    return undefined;
  }
}

/** @param {import('node:http').ServerResponse} response @param {number} status */
function finish(response, status) {
  if (response.headersSent) return void response.destroy();
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(`${status}\n`);
}

/** The body packed as it leaves. @param {import('node:http').ServerResponse} response */
function compress(response) {
  forceHeaders(response, { 'content-encoding': 'gzip', 'content-length': null });
  const gzip = createGzip();
  const [write, end] = [response.write.bind(response), response.end.bind(response)];
  gzip.on('data', (chunk) => write(chunk)).on('end', () => end());
  gzip.on('drain', () => response.emit('drain'));
  response.write = (/** @type {any} */ chunk) => gzip.write(chunk);
  response.end = (/** @type {any} */ chunk) => { gzip.end(chunk instanceof Uint8Array ? chunk : undefined); return response; };
}

/** @param {import('node:http').ServerResponse} response @param {LoggedRequest} entry */
function countBody(response, entry) {
  const write = response.write.bind(response);
  const end = response.end.bind(response);
  const count = (/** @type {unknown} */ chunk) => {
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) entry.bytes += Buffer.byteLength(chunk);
  };
  response.write = (/** @type {any[]} */ ...args) => { count(args[0]); return /** @type {any} */ (write)(...args); };
  response.end = (/** @type {any[]} */ ...args) => { count(args[0]); return /** @type {any} */ (end)(...args); };
}

/** @param {import('node:http').Server} server @param {number} port @param {number} tries */
async function listen(server, port, tries) {
  for (let candidate = port; ; candidate += 1) {
    const error = await new Promise((resolve) => {
      server.once('error', resolve);
      server.listen(candidate, '127.0.0.1', () => {
        server.off('error', resolve);
        resolve(undefined);
      });
    });
    if (!error) return;
    if (error.code === 'EADDRINUSE' && candidate < port + tries) continue;
    throw new Error(`cannot listen on port ${candidate}: ${error.message}; set PORT to a free one`);
  }
}
