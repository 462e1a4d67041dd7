// WebKitGTK, by the plain HTTP of its WebDriver, on an X server of its own. It stands for the worst case: no WebGPU,
// no relaxed SIMD, no SharedArrayBuffer, no private file system in workers.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_MS = 30_000;

/** The browser that the driver starts: part of WebKitGTK's own library, not in PATH. */
function miniBrowser() {
  const libraries = existsSync('/usr/lib') ? readdirSync('/usr/lib').map((name) => join('/usr/lib', name)) : [];
  return ['/usr/lib', '/usr/libexec', ...libraries]
    .flatMap((folder) => ['webkit2gtk-4.1', 'webkit2gtk-4.0', 'webkitgtk-6.0'].map((name) => join(folder, name, 'MiniBrowser')))
    .find((path) => existsSync(path));
}

/** @param {string} name */
const inPath = (name) => (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)));

/** What WebKit lacks here, if anything. */
export function webkitMissing() {
  if (!inPath('WebKitWebDriver')) return 'no WebKitWebDriver was found';
  if (!inPath('Xvfb')) return 'no Xvfb was found';
  return miniBrowser() === undefined ? "no MiniBrowser of WebKitGTK's was found" : undefined;
}

/**
 * @param {number} evaluateMs  how long one script may run
 * @returns {Promise<import('./browsers.mjs').Page>}
 */
export async function launchWebKit(evaluateMs) {
  const screen = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let driver;
  const stop = async () => {
    for (const child of [driver, screen]) await ended(child);
  };
  try {
    const display = `:${await firstLine(/** @type {import('node:stream').Readable} */ (screen.stdio[3]))}`;
    const port = await freePort();
    driver = spawn('WebKitWebDriver', ['--host=127.0.0.1', `--port=${port}`], {
      stdio: 'ignore',
      env: { ...process.env, DISPLAY: display, GDK_BACKEND: 'x11', WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' },
    });
    const base = `http://127.0.0.1:${port}`;
    const { sessionId } = await newSession(base);
    const call = (/** @type {string} */ path, /** @type {unknown} */ body, method = 'POST') => request(`${base}/session/${sessionId}${path}`, method, body);
    await call('/timeouts', { script: evaluateMs, pageLoad: 60_000 });
    return {
      goto: (url) => call('/url', { url }),
      evaluate: (fn, args) => evaluate(call, /** @type {any} */ (fn), args),
      async close() {
        await call('', undefined, 'DELETE').catch(() => {}); // it may have died, which the test has seen
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param {string} base */
async function newSession(base) {
  const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': { binary: miniBrowser(), args: ['--automation'] } } };
  for (const started = Date.now(); ; await sleep(100)) {
    try {
      return await request(`${base}/session`, 'POST', { capabilities });
    } catch (error) {
      const isNotUp = /** @type {Error} */ (error).message === 'fetch failed';
      if (!isNotUp || Date.now() - started > START_MS) throw error;
    }
  }
}

/**
 * Runs `fn(args)` in the page. Its outcome crosses as text, because WebDriver has rules of its own for values.
 * @param {(path: string, body: unknown) => Promise<any>} call
 * @param {Function} fn @param {unknown} args
 */
async function evaluate(call, fn, args) {
  const script = `
    const [args, done] = arguments;
    Promise.resolve().then(() => (${fn})(JSON.parse(args))).then(
      (value) => done(JSON.stringify({ value })),
      (error) => done(JSON.stringify({ error: String(error && error.stack ? error + '\\n' + error.stack : error) })));`;
  const { value, error } = JSON.parse(await call('/execute/async', { script, args: [JSON.stringify(args ?? null)] }));
  if (error !== undefined) throw new Error(error);
  return value;
}

/** @param {string} url @param {string} method @param {unknown} [body] */
async function request(url, method, body) {
  // not fetch's own limit of five minutes without headers: a script may take longer
  const { request: send } = await import('node:http');
  const text = body === undefined ? undefined : JSON.stringify(body);
  const { promise, resolve, reject } = deferred();
  const outgoing = send(url, { method, headers: text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } }, (response) => {
    let answer = '';
    response.setEncoding('utf8').on('data', (chunk) => { answer += chunk; }).on('end', () => resolve(answer)).on('error', reject);
  });
  outgoing.on('error', (error) => reject(new Error('fetch failed', { cause: error })));
  outgoing.end(text);
  const { value } = JSON.parse(await promise);
  if (value?.error) throw new Error(`${value.error}: ${value.message}`);
  return value;
}

function deferred() {
  /** @type {(value: any) => void} */ let resolve = () => {};
  /** @type {(error: Error) => void} */ let reject = () => {};
  const promise = new Promise((yes, no) => { [resolve, reject] = [yes, no]; });
  return { promise, resolve, reject };
}

/** @param {import('node:stream').Readable} stream @returns {Promise<string>} */
function firstLine(stream) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`Xvfb did not start within ${START_MS} ms`)), START_MS);
    let text = '';
    stream.on('data', (chunk) => {
      text += chunk;
      if (!text.includes('\n')) return;
      clearTimeout(late);
      resolve(text.trim());
    });
  });
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
      probe.close(() => resolve(port));
    });
  });
}

/** @param {import('node:child_process').ChildProcess | undefined} child */
async function ended(child) {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => { child.once('exit', resolve); });
  child.kill();
  await Promise.race([gone, sleep(5000).then(() => child.kill('SIGKILL'))]);
}
