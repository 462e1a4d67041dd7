// The app that every row builds: it loads a tiny golden model, continues a prompt, freely and held to a grammar, and says what came out.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tinyModel } from '../browser/paths.mjs';
import { projectRoot } from '../server/serve.mjs';

/** Of all tiny models, the one that is surest of a continuation with many different tokens: 8-bit activations do not change it. */
const model = tinyModel('olmo2-q2_k');
/** The prompt of 5 tokens. */
const golden = JSON.parse(readFileSync(model.expected, 'utf8')).prompts[1];
/** What llama.cpp continues the prompt with. @type {number[]} */
const expected = golden.greedy_f32;

/** Below the bundlers' own node_modules, where Next.js and Parcel look for themselves. */
export const out = fileURLToPath(new URL('out/', import.meta.url));

/** A folder with nothing but the packed package, installed. @returns {{ files: { path: string, size: number }[] }} */
export function installPackage() {
  rmSync(out, { recursive: true, force: true, maxRetries: 5 });
  mkdirSync(out);
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', out], { cwd: join(projectRoot, 'pkg'), encoding: 'utf8' });
  const [tarball] = /** @type {any[]} */ (Object.values(JSON.parse(packed)));
  write('package.json', JSON.stringify({ name: 'apps', private: true, type: 'module' }));
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', join(out, tarball.filename)], { cwd: out, stdio: 'pipe' });
  return tarball;
}

/** The installed package. */
export const installed = join(out, 'node_modules/pagelm');

/** Gives an app the package as if it had been installed there. @param {string} name */
export function installIn(name) {
  cpSync(installed, join(out, name, 'node_modules/pagelm'), { recursive: true });
}

/** @param {string} path @param {string} text */
export function write(path, text) {
  const file = join(out, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
}

/** @param {string} path  of the model's copy @param {string} [file] */
export function copyModel(path, file = model.file) {
  mkdirSync(join(out, path, '..'), { recursive: true });
  cpSync(file, join(out, path));
}

/**
 * The app's script, which leaves its answer in `done`.
 * @param {string} pagelm  what is imported @param {string} [address]  of the model
 */
export const script = (pagelm, address = './model.gguf') => `import { load } from '${pagelm}';

const violations = [];
addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));
globalThis.done = answer().catch((error) => ({ error: error.code + ': ' + error.message })).then((value) => ({ ...value, violations }));

async function answer() {
  const model = await load('${address}', { backend: 'cpu' });
  const { tokens } = await model.generate(${JSON.stringify(golden.tokens)}, { maxTokens: ${expected.length}, ignoreEos: true }).result();
  const { text } = await model.generate(${JSON.stringify(golden.tokens)}, { grammar: { regex: 'held to it' } }).result();
  const { threads, threadsReason, kernels } = model.info;
  await model.close();
  return { tokens, text, threads, threadsReason, kernels };
}
`;

/** Of the app's answer. @param {any} answer */
export function checkTokens({ tokens, text, threads, kernels }) {
  assert.deepEqual(tokens, expected);
  assert.equal(text, 'held to it');
  return `${tokens.length} tokens as expected, ${threads} thread(s), ${kernels}`;
}

/** @param {string} attributes  of the script's element */
export const page = (attributes) => `<!doctype html>\n<meta charset="utf-8">\n<title>app</title>\n<script ${attributes}></script>\n`;

/**
 * Page, script and model of an app that a bundler builds.
 * @param {string} name @param {{ attributes?: string, publicFolder?: string }} [options]
 * @returns {string} its folder
 */
export function writeApp(name, { attributes = 'type="module" src="./main.js"', publicFolder = 'public' } = {}) {
  write(`${name}/package.json`, JSON.stringify({ name, private: true, type: 'module' }));
  installIn(name);
  write(`${name}/index.html`, page(attributes));
  write(`${name}/main.js`, script('pagelm'));
  copyModel(`${name}/${publicFolder}/model.gguf`);
  return join(out, name);
}

/** What a bundler that does not know of pages leaves to copy. @param {string} root  the app's folder */
export function copyPage(root) {
  cpSync(join(root, 'index.html'), join(root, 'dist/index.html'));
  cpSync(join(root, 'public/model.gguf'), join(root, 'dist/model.gguf'));
  return join(root, 'dist');
}

/** Every file below `folder`. @param {string} folder @returns {{ path: string, bytes: number }[]} */
export function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => ({ path, stats: statSync(join(folder, path)) }))
    .filter(({ stats }) => stats.isFile())
    .map(({ path, stats }) => ({ path, bytes: stats.size }));
}
