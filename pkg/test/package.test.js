import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));

test('every file that exports names exists', () => {
  assert.deepEqual(Object.keys(manifest.exports), ['.', './openai', './service-worker', './ai-sdk', './worker', './*.wasm', './package.json']);
  const paths = Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)));
  const builds = ['pagelm_bg', 'pagelm_relaxed_bg', 'pagelm_threads_bg', 'pagelm_grammar'];
  const files = [...paths, manifest.module, manifest.types].flatMap((path) => builds.map((build) => path.replace('*', build)));
  for (const path of files) assert.ok(existsSync(new URL(path, root)), path);
  assert.equal(manifest.dependencies, undefined);
});

test('importing the other entries touches nothing of a browser either', async () => {
  const { openai, OpenAIError } = await import('pagelm/openai');
  const { serve, provide } = await import('pagelm/service-worker');
  const { languageModel } = await import('pagelm/ai-sdk');
  assert.deepEqual([openai, OpenAIError, languageModel].map((value) => typeof value), ['function', 'function', 'function']);
  assert.throws(serve, { code: 'unsupported-environment' });
  assert.throws(() => provide({}), { code: 'unsupported-environment' });
});

test('importing the package touches nothing of a browser', async () => {
  assert.equal(typeof Worker, 'undefined');
  const pagelm = await import('pagelm');
  assert.deepEqual(Object.keys(pagelm).sort(), ['PagelmError', 'inspect', 'load', 'models']);
  await assert.rejects(pagelm.load('https://example.org/m.gguf'), { code: 'unsupported-environment' });
});

test('the built files are plain modules: relative imports with their suffix, no eval, no Blob worker', () => {
  const dist = fileURLToPath(new URL('dist/', root));
  const files = readdirSync(dist, { recursive: true }).filter((name) => name.endsWith('.js') && !name.startsWith('wasm'));
  assert.ok(files.length >= 5);
  for (const name of files) {
    const text = readFileSync(dist + name, 'utf8');
    for (const [, path] of text.matchAll(/^(?:import|export|\}) (?:[^"\n]*\bfrom )?"([^"]+)"/gm)) {
      assert.match(path, /^\.\.?\/.+\.js$/, `${name} imports ${path}`);
      if (!path.startsWith('./wasm/')) assert.ok(existsSync(join(dist, name, '..', path)), `${name} imports ${path}`);
    }
    assert.doesNotMatch(text, /\beval\(|new Function\(|createObjectURL/, name);
  }
  assert.match(readFileSync(`${dist}index.js`, 'utf8'), /new Worker\(new URL\("\.\/worker\.js", import\.meta\.url\), \{ type: "module" \}\)/);
});
