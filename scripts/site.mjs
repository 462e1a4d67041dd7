// The chat page as a folder of plain files, for the demo, the tests and any static host.
//   node scripts/site.mjs [--model] [FOLDER]     site/ without an argument
// A server of ours has the default model beside the page (siteRoots). For another host it is laid into the folder with --model;
// without, the page's first choice is the same model from the hub, so that it offers nothing that the host does not have.
// There is no bundler: the three libraries of the page are one module each as they come, the package is modules already,
// and the service worker fetches everything once. What is left to do is to lay the files together, with a list of hashes.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliCompressSync } from 'node:zlib';
import { projectRoot } from '../tests/server/serve.mjs';

/** The libraries of the page, by the names under which it imports them; each is one module without imports. */
const libraries = [
  { file: 'lib/marked.js', from: 'marked', module: 'lib/marked.esm.js', licence: 'LICENSE' },
  { file: 'lib/purify.js', from: 'dompurify', module: 'dist/purify.es.mjs', licence: 'LICENSE' },
  { file: 'lib/highlight.js', from: '@highlightjs/cdn-assets', module: 'es/highlight.min.js', licence: 'LICENSE' },
];
const pageFile = /\.(?:html|css|js|json|svg|png|webmanifest)$/;
/** The page has no use for grammars, and what reads them is fetched on demand. */
const engineFile = /(?<!pagelm_grammar)\.(?:js|wasm)$/;

/** What a host of the demo serves: the page, and the models beside it. @param {string} site */
export const siteRoots = (site) => ({ '/': site, '/models/': 'models' });

/** For pages that fetch models from anywhere; the engine's worker takes its policy from its own response. */
export const sitePolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** @typedef {'beside' | 'laid' | 'hub'} ModelPlace  of the default model: behind the same server, in the folder, or on the hub */

/**
 * @param {string} [folder]  emptied first
 * @param {{ model?: ModelPlace, change?: (folder: string) => void }} [options]  `change` is called before the files are counted
 * @returns {string} the folder
 */
export function buildSite(folder = join(projectRoot, 'site'), { model = 'beside', change } = {}) {
  rmSync(folder, { recursive: true, force: true });
  copyTree('www', folder, (path) => pageFile.test(path) && !/^(?:test|lib)\//.test(path));
  copyTree('pkg/dist', join(folder, 'pkg/dist'), (path) => engineFile.test(path));
  layLibraries(folder);
  layModel(folder, model);
  change?.(folder);
  listFiles(folder);
  return folder;
}

/** What the service worker keeps, paths from the folder. Models are not among it: the package keeps those. @param {string} folder */
export const keptFiles = (folder) => filesOf(folder).filter((path) => path !== 'sw.js' && !path.endsWith('.txt') && !path.startsWith('models/'));

/** @param {string} folder @param {ModelPlace} place */
function layModel(folder, place) {
  const { hub, ...wanted } = JSON.parse(readFileSync(join(projectRoot, 'www/default-model.json'), 'utf8'));
  const { name, detail, file, sha256 } = wanted;
  // what pip has to do with it concerns nobody who visits the page
  writeFileSync(join(folder, 'default-model.json'), `${JSON.stringify(place === 'hub' ? { name, ...hub } : { name, detail, file, sha256 }, undefined, 2)}\n`);
  if (place !== 'laid') return;
  const path = join(projectRoot, 'models', file);
  if (!existsSync(path)) throw new Error(`models/${file} is not there; "make site MODEL=1" fetches it`);
  copy(path, join(folder, 'models', file));
}

/** Tells the service worker what there is. @param {string} folder */
function listFiles(folder) {
  const script = join(folder, 'sw.js');
  const list = Object.fromEntries(keptFiles(folder).map((path) => [path, sha256(join(folder, path))]));
  const source = readFileSync(script, 'utf8');
  const place = 'const files = {};';
  if (!source.includes(place)) throw new Error(`www/sw.js has no "${place}" to write the list into`);
  writeFileSync(script, source.replace(place, `const files = ${JSON.stringify(list, undefined, 2)};`));
}

/** @param {string} from @param {string} to @param {(path: string) => boolean} wanted */
function copyTree(from, to, wanted) {
  const root = join(projectRoot, from);
  const paths = filesOf(root).filter(wanted);
  if (!paths.length) throw new Error(`${from} has no file to serve; run "make build" first`);
  for (const path of paths) copy(join(root, path), join(to, path));
}

/** @param {string} folder */
function layLibraries(folder) {
  const notices = libraries.map(({ file, from, module, licence }) => {
    const root = join(projectRoot, 'node_modules', from);
    copy(join(root, module), join(folder, file));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    return `${file}: ${from} ${version}\n\n${readFileSync(join(root, licence), 'utf8').trim()}\n`;
  });
  writeFileSync(join(folder, 'lib/LICENSES.txt'), notices.join(`\n${'-'.repeat(80)}\n\n`));
}

/** @param {string} from @param {string} to */
function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
}

/** @param {string} root @returns {string[]} relative paths, sorted */
function filesOf(root) {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(root, path)).isFile())
    .map((path) => path.replaceAll('\\', '/'))
    .sort();
}

/** @param {string} file */
const sha256 = (file) => createHash('sha256').update(readFileSync(file)).digest('base64');

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({ options: { model: { type: 'boolean', default: false } }, allowPositionals: true });
  const folder = buildSite(positionals[0] && resolve(positionals[0]), { model: values.model ? 'laid' : 'hub' });
  const page = keptFiles(folder).filter((path) => !/^(?:pkg|icons|bench|measure|report|chart)/.test(path));
  const bytes = page.reduce((sum, path) => sum + brotliCompressSync(readFileSync(join(folder, path))).length, 0);
  console.log(`site: ${filesOf(folder).length} files in ${relative(process.cwd(), folder) || '.'}; the page without the engine is ${bytes} bytes of brotli`);
  console.log(values.model ? 'site: the default model is in it' : 'site: the first model of the page comes from the Hugging Face hub; MODEL=1 lays it into the folder');
}
