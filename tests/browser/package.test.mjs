// The package as npm delivers it: packed and installed in an empty folder. tests/bundlers builds apps with it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot } from '../server/serve.mjs';

const run = promisify(execFile);
/** In bytes, of the packed and the unpacked package: about twice what they are, so that a stray model or map shows. */
const limits = { packed: 4_000_000, unpacked: 12_000_000 };

/** @type {string} */ let folder;
/** @type {any} */ let packed;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pagelm-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: join(projectRoot, 'pkg') });
  packed = Object.values(JSON.parse(stdout))[0];
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  await run('npm', ['install', '--no-audit', '--no-fund', join(folder, packed.filename)], { cwd: folder });
});
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

describe('the tarball', () => {
  test('holds what is needed and nothing else', () => {
    const paths = packed.files.map((/** @type {any} */ { path }) => path);
    for (const needed of ['package.json', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/types.d.ts', 'dist/worker.js', ...['pagelm', 'pagelm_relaxed', 'pagelm_threads'].flatMap((name) => [`dist/wasm/${name}.js`, `dist/wasm/${name}_bg.wasm`]), 'dist/wasm/pagelm_grammar.wasm']) {
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
    for (const file of files.filter((name) => !name.includes('*'))) assert.ok(existsSync(join(root, file)), file);
    const { load, PagelmError } = await import(pathToFileURL(join(root, exports['.'].default)).href);
    await assert.rejects(load('https://localhost/a.gguf'), (/** @type {any} */ error) => PagelmError.isInstance(error) && error.code === 'unsupported-environment');
  });
});
