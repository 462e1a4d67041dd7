// The chat page as a folder of plain files, for the demo, the tests and any static host.
//   node scripts/site.mjs [FOLDER]     site/ without an argument
// There is no bundler: the three libraries of the page are one module each as they come, the package is modules already,
// and the service worker fetches everything once. What is left to do is to lay the files together, with a list of hashes.
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { projectRoot } from '../tests/server/serve.mjs';

/** The libraries of the page, by the names under which it imports them; each is one module without imports. */
const libraries = [
  { file: 'lib/marked.js', from: 'marked', module: 'lib/marked.esm.js', licence: 'LICENSE' },
  { file: 'lib/purify.js', from: 'dompurify', module: 'dist/purify.es.mjs', licence: 'LICENSE' },
  { file: 'lib/highlight.js', from: '@highlightjs/cdn-assets', module: 'es/highlight.min.js', licence: 'LICENSE' },
];
const pageFile = /\.(?:html|css|js|json|svg|png|webmanifest)$/;
const engineFile = /\.(?:js|wasm)$/;

/** What a host of the demo serves: the page, and the models beside it. @param {string} site */
export const siteRoots = (site) => ({ '/': site, '/models/': 'models' });

/** For pages that fetch models from anywhere; the engine's worker takes its policy from its own response. */
export const sitePolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self' https:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * @param {string} [folder]  emptied first
 * @param {(folder: string) => void} [change]  is called before the files are counted
 * @returns {string} the folder
 */
export function buildSite(folder = join(projectRoot, 'site'), change) {
  rmSync(folder, { recursive: true, force: true });
  copyTree('www', folder, (path) => pageFile.test(path) && !/^(?:test|lib)\//.test(path));
  copyTree('pkg/dist', join(folder, 'pkg/dist'), (path) => engineFile.test(path));
  layLibraries(folder);
  change?.(folder);
  listFiles(folder);
  return folder;
}

/** What the service worker keeps, paths from the folder. @param {string} folder */
export const keptFiles = (folder) => filesOf(folder).filter((path) => path !== 'sw.js' && !path.endsWith('.txt'));

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
  const folder = buildSite(process.argv[2] && resolve(process.argv[2]));
  const page = filesOf(folder).filter((path) => !/^(?:pkg|icons|bench|measure|report|chart)|\.txt$/.test(path));
  const bytes = page.reduce((sum, path) => sum + brotliCompressSync(readFileSync(join(folder, path))).length, 0);
  console.log(`site: ${filesOf(folder).length} files in ${relative(process.cwd(), folder) || '.'}; the page without the engine is ${bytes} bytes of brotli`);
}
