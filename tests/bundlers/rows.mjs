// The matrix: how each bundler is asked to build the app, with as few settings as its users would get by with.
import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyModel, copyPage, installed, out, page, script, write, writeApp } from './app.mjs';
import { checkCases, client } from './clients.mjs';
import { openExtension } from './extension.mjs';
import { buildNext } from './next.mjs';

/**
 * @typedef {object} Built  What there is to open.
 * @property {Record<string, string>} [serves]  folders behind the server's addresses
 * @property {string} [path]    of the page on that server
 * @property {string} [folder]  what would be deployed; its files are measured
 * @property {string} [policy]  the content security policy, where it is not the row's
 * @property {string} [url]     of the page, where the row has a server of its own
 * @property {() => Promise<void>} [close]  stops that server
 * @property {() => Promise<import('../browser/browsers.mjs').Page>} [browser]  starts a browser of its own on the page
 */
/**
 * @typedef {object} Row
 * @property {string} name
 * @property {boolean} [quick]    part of `make test`
 * @property {boolean} [firefox]  driven in Firefox as well
 * @property {string} [policy]    the content security policy, where it is not the server's
 * @property {string[]} [violations]  of the policy, by others
 * @property {() => Promise<Built>} build
 * @property {(answer: any) => string} [check]  of what is in `done`, for the table; by default the app's own answer
 */

/** What a page without any need of its own would send. */
const STRICT = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";

/** @type {Row[]} */
export const rows = [
  { name: 'plain', quick: true, firefox: true, build: plain('plain') },
  { name: 'csp', quick: true, firefox: true, policy: STRICT, build: plain('csp') },
  { name: 'vite', quick: true, firefox: true, policy: STRICT, build: vite },
  { name: 'vite-below', build: viteBelow },
  { name: 'vite-dev', quick: true, build: viteDevelopment },
  { name: 'webpack', quick: true, firefox: true, policy: STRICT, build: webpack },
  { name: 'extension', quick: true, build: extension },
  { name: 'openai', quick: true, policy: STRICT, build: client('openai'), check: checkCases },
  { name: 'service-worker', quick: true, firefox: true, policy: STRICT, build: client('service-worker'), check: checkCases },
  { name: 'ai-sdk', quick: true, policy: STRICT, violations: ['script-src eval'], build: client('ai-sdk'), check: checkCases }, // zod tries whether it may
  { name: 'rollup', policy: STRICT, build: rollup },
  { name: 'esbuild', policy: STRICT, build: esbuild },
  { name: 'parcel', build: parcel },
  { name: 'next', firefox: true, build: () => buildNext() },
];

/** One folder with the page, the model and dist/ of the package. @param {string} name */
function plain(name) {
  return async () => {
    const folder = join(out, name);
    write(`${name}/index.html`, page('type="module" src="./main.js"'));
    write(`${name}/main.js`, script('./pagelm/index.js'));
    copyModel(`${name}/model.gguf`);
    cpSync(join(installed, 'dist'), join(folder, 'pagelm'), { recursive: true });
    return { serves: { '/': folder }, folder };
  };
}

async function vite() {
  const { build } = await import('vite');
  const root = writeApp('vite');
  await build({ root, configFile: false, logLevel: 'error' });
  return served(join(root, 'dist'));
}

/** For a folder below the origin. */
async function viteBelow() {
  const { build } = await import('vite');
  const root = writeApp('vite-below');
  await build({ root, base: './', configFile: false, logLevel: 'error' });
  return { serves: { '/some/where/': join(root, 'dist'), '/': out }, path: '/some/where/index.html', folder: join(root, 'dist') };
}

/** Without settings: the package is bundled as a dependency, away from its worker and its wasm file. */
async function viteDevelopment() {
  const { createServer } = await import('vite');
  const root = writeApp('vite-dev');
  const server = await createServer({ root, configFile: false, logLevel: 'error', server: { port: 0, host: 'localhost' } });
  await server.listen();
  const [url] = server.resolvedUrls?.local ?? [];
  if (url === undefined) throw new Error('Vite says no address');
  return { url, close: () => server.close() };
}

async function webpack() {
  const { default: compiler } = await import('webpack');
  // a script of webpack's finds its own address by document.currentScript, which modules do not have
  const root = writeApp('webpack', { attributes: 'defer src="./main.js"' });
  const output = { path: join(root, 'dist') };
  /** @type {import('webpack').Stats | undefined} */
  const stats = await new Promise((resolve, reject) => {
    compiler({ mode: 'production', context: root, entry: './main.js', output }, (error, result) => (error ? reject(error) : resolve(result)));
  });
  if (stats?.hasErrors()) throw new Error(stats.toString('errors-only'));
  return served(copyPage(root));
}

async function rollup() {
  const [{ rollup: bundle }, { default: resolve }, { importMetaAssets }] = await Promise.all([
    import('rollup'), import('@rollup/plugin-node-resolve'), import('@web/rollup-plugin-import-meta-assets'),
  ]);
  const root = writeApp('rollup');
  // NodeNext takes the default export of its types for a namespace
  const plugins = [/** @type {any} */ (resolve)({ rootDir: root }), importMetaAssets({ include: '**/pagelm/dist/worker.js' })];
  const build = await bundle({ input: { main: join(root, 'main.js'), worker: 'pagelm/worker' }, plugins });
  await build.write({ dir: join(root, 'dist'), entryFileNames: '[name].js' });
  await build.close();
  return served(copyPage(root));
}

async function esbuild() {
  const engines = ['pagelm_bg', 'pagelm_relaxed_bg', 'pagelm_threads_bg', 'pagelm_grammar'];
  const { build } = await import('esbuild');
  const root = writeApp('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints: ['main.js', { in: 'pagelm/worker', out: 'worker' }, ...engines.map((name) => ({ in: `pagelm/${name}.wasm`, out: `wasm/${name}` }))],
    loader: { '.wasm': 'copy' }, bundle: true, format: 'esm', outdir: 'dist', logLevel: 'error',
  });
  return served(copyPage(root));
}

async function parcel() {
  const { Parcel } = await import('@parcel/core');
  const root = writeApp('parcel', { publicFolder: 'dist' });
  const bundler = new Parcel({
    entries: join(root, 'index.html'), defaultConfig: '@parcel/config-default', mode: 'production', shouldDisableCache: true,
    defaultTargetOptions: { distDir: join(root, 'dist'), publicUrl: './' },
  });
  await bundler.run();
  const built = served(join(root, 'dist'));
  return { ...built, policy: allowingImportMap(readFileSync(join(built.folder, 'index.html'), 'utf8')) };
}

/** Parcel writes an import map into the page; a policy has to name the hash of such a text. @param {string} html */
function allowingImportMap(html) {
  const [, map] = /<script type="?importmap"?>([^<]*)/.exec(html) ?? [];
  if (map === undefined) return STRICT;
  return STRICT.replace("script-src 'self'", `script-src 'self' 'sha256-${createHash('sha256').update(map).digest('base64')}'`);
}

/** An unpacked extension of Manifest V3, with the policy that such pages have at most. */
async function extension() {
  const folder = join(out, 'extension');
  await plain('extension')();
  const policy = "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'";
  write('extension/manifest.json', JSON.stringify({ manifest_version: 3, name: 'app', version: '1', content_security_policy: { extension_pages: policy } }));
  return { folder, browser: () => openExtension(folder, 'index.html') };
}

/** @param {string} folder */
const served = (folder) => ({ serves: { '/': folder }, folder });
