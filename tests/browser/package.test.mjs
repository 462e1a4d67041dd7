// The package as npm delivers it: packed, installed in an empty folder, then used by a plain page and by Vite, under
// a strict content security policy.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { missing, open } from './browsers.mjs';
import { projectRoot } from '../server/serve.mjs';
import { tinyModel } from './paths.mjs';

const run = promisify(execFile);
const model = tinyModel('llama-bpe-q4_0-ropefreqs-tied');
/** In bytes, of the packed and the unpacked package: about twice what they are, so that a stray model or map shows. */
const limits = { packed: 4_000_000, unpacked: 12_000_000 };

const page = '<!doctype html><meta charset="utf-8"><title>app</title><script type="module" src="./main.js"></script>\n';
/** @param {string} pagelm  what is imported */
const script = (pagelm) => `
  import { load } from '${pagelm}';
  const page = globalThis;
  page.violations = [];
  addEventListener('securitypolicyviolation', (event) => page.violations.push(event.violatedDirective + ' ' + event.blockedURI));
  page.done = (async () => {
    const model = await load('./model.gguf', { backend: 'cpu' });
    const { tokens } = await model.generate([40, 41, 42], { temperature: 0, maxTokens: 16, ignoreEos: true }).result();
    const text = await model.detokenize(tokens);
    await model.close();
    return { tokens, text, violations: page.violations };
  })().catch((error) => ({ error: error.code + ': ' + error.message, violations: page.violations }));
`;

/** @type {string} */ let folder;
/** @type {any} */ let packed;
/** @type {number[]} */ let expected;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pagelm-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: join(projectRoot, 'pkg') });
  packed = Object.values(JSON.parse(stdout))[0];
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  await run('npm', ['install', '--no-audit', '--no-fund', join(folder, packed.filename)], { cwd: folder });
});
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** What the unpacked package answers; the golden tests say that it is right. */
async function generatedInTheWorkspace() {
  const session = await open({ engine: 'chromium' });
  try {
    const { greedy } = await session.evaluate(async (args) => (await import(`${location.origin}/browser/in-page.js`)).numbers(args), {
      url: model.url, backend: 'cpu', greedy: [{ tokens: [40, 41, 42], maxTokens: 16 }],
    });
    return greedy[0];
  } finally {
    await session.close();
  }
}

/** An app's source folder. @param {string} name @param {string} pagelm */
function app(name, pagelm) {
  const root = join(folder, name);
  mkdirSync(join(root, 'public'), { recursive: true });
  writeFileSync(join(root, 'index.html'), page);
  writeFileSync(join(root, 'main.js'), script(pagelm));
  cpSync(model.file, join(root, 'public/model.gguf'));
  return root;
}

/** What the app on a served page answers. @param {Record<string, string>} serves @param {string} path */
async function answerOf(serves, path = '/index.html') {
  const session = await open({ engine: 'chromium', isolated: false, serves, path });
  try {
    return { answer: await session.evaluate(async () => /** @type {any} */ (globalThis).done, {}), requests: session.server.requests };
  } finally {
    await session.close();
  }
}

/** @param {any} answer */
function assertAnswer(answer) {
  assert.equal(answer.error, undefined, answer.error);
  assert.deepEqual(answer.tokens, expected);
  assert.deepEqual(answer.violations, []);
}

describe('the tarball', () => {
  test('holds what is needed and nothing else', () => {
    const paths = packed.files.map((/** @type {any} */ { path }) => path);
    for (const needed of ['package.json', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/types.d.ts', 'dist/worker.js', ...['pagelm', 'pagelm_relaxed', 'pagelm_threads'].flatMap((name) => [`dist/wasm/${name}.js`, `dist/wasm/${name}_bg.wasm`])]) {
      assert.ok(paths.includes(needed), `${needed} is not in the package`);
    }
    const strange = paths.filter((/** @type {string} */ path) => !/^(package\.json|README\.md|LICEN[CS]E[-\w.]*|CHANGELOG\.md|dist\/[-\w/]+(\.d\.ts|\.js|\.wasm|\.wasm\.d\.ts))$/.test(path));
    assert.deepEqual(strange, []);
  });

  test('is small', () => {
    console.log(`  packed ${packed.size} bytes, unpacked ${packed.unpackedSize}, ${packed.files.length} files; wasm ${statSync(join(folder, 'node_modules/pagelm/dist/wasm/pagelm_bg.wasm')).size}`);
    assert.ok(packed.size > 0 && packed.size <= limits.packed, `${packed.size} bytes packed, ${limits.packed} are allowed`);
    assert.ok(packed.unpackedSize <= limits.unpacked, `${packed.unpackedSize} bytes unpacked, ${limits.unpacked} are allowed`);
  });

  test('brings nothing else along', () => {
    const { packages } = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'));
    assert.deepEqual(Object.keys(packages), ['node_modules/pagelm']);
  });

  test('every entry of exports is there, and Node can import it', async () => {
    const root = join(folder, 'node_modules/pagelm');
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const files = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(/** @type {Record<string, string>} */ (entry))));
    assert.ok(files.length >= 2);
    for (const file of files) assert.ok(existsSync(join(root, file)), file);
    const { load, PagelmError } = await import(pathToFileURL(join(root, exports['.'].default)).href);
    await assert.rejects(load('https://localhost/a.gguf'), (/** @type {any} */ error) => PagelmError.isInstance(error) && error.code === 'unsupported-environment');
  });
});

describe('in an app', { skip: missing('chromium'), timeout: 300_000 }, () => {
  before(async () => { expected = await generatedInTheWorkspace(); });

  test('a plain page that imports it from node_modules', async () => {
    const root = app('plain', '/node_modules/pagelm/dist/index.js');
    cpSync(model.file, join(root, 'model.gguf'));
    assertAnswer((await answerOf({ '/': root, '/node_modules/': join(folder, 'node_modules') })).answer);
  });

  describe('with Vite', () => {
    /** @type {any} */ let vite;
    before(async () => { vite = await import('vite'); });

    test('built', async () => {
      const root = app('built', 'pagelm');
      await vite.build({ root, configFile: false, logLevel: 'error' });
      const { answer, requests } = await answerOf({ '/': join(root, 'dist') });
      assertAnswer(answer);
      const fetched = requests.filter(({ path }) => path.endsWith('.wasm'));
      assert.equal(fetched.length, 1, `wasm files requested: ${JSON.stringify(fetched)}`);
    });

    test('built for a folder below the origin', async () => {
      const root = app('below', 'pagelm');
      await vite.build({ root, base: './', configFile: false, logLevel: 'error' });
      assertAnswer((await answerOf({ '/some/where/': join(root, 'dist'), '/': join(projectRoot, 'www') }, '/some/where/index.html')).answer);
    });

    test('by the development server, left out of its bundling of dependencies', async () => {
      assertAnswer(await answerInDevelopment(vite, app('development', 'pagelm'), { exclude: ['pagelm'] }));
    });

    // Bundled as a dependency, its modules move away from its worker and its wasm file; Vite 8 follows both.
    test('by the development server, with no settings', async () => {
      assertAnswer(await answerInDevelopment(vite, app('bare', 'pagelm'), {}));
    });
  });
});

/** @param {any} vite @param {string} root @param {object} optimizeDeps */
async function answerInDevelopment(vite, root, optimizeDeps) {
  const server = await vite.createServer({ root, configFile: false, logLevel: 'error', optimizeDeps, server: { port: 0, host: 'localhost' } });
  await server.listen();
  const session = await open({ engine: 'chromium', isolated: false });
  try {
    await session.goto(server.resolvedUrls.local[0]);
    return await session.evaluate(async () => /** @type {any} */ (globalThis).done, {});
  } finally {
    await session.close();
    await server.close();
  }
}

