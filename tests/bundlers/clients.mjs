// The other entry points, each in an app that Vite builds, with the libraries that they are made for.
import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as gguf, go, scriptedModel } from '../browser/gguf.js';
import { tinyModel } from '../browser/paths.mjs';
import { installIn, out, page, write, copyModel } from './app.mjs';

const apps = fileURLToPath(new URL('apps/', import.meta.url));

/** Models whose every word is known. */
const scripts = {
  caller: { pieces: ['Look.', '<tool_call>', '{"name":"weather","arguments":{"city":"Paris"}}', '</tool_call>'], named: '{% if tools and false %}<tool_call>{% endif %}' },
  thinker: { pieces: ['<think>', 'Hm.', '</think>', 'Yes.'], named: '{% if false %}<think>{% endif %}' },
};

/** @param {string} name  of the file in apps/ */
export function client(name) {
  return async () => {
    const root = join(out, name);
    write(`${name}/package.json`, JSON.stringify({ name, private: true, type: 'module' }));
    write(`${name}/index.html`, page(`type="module" src="./${name}.js"`));
    cpSync(apps, root, { recursive: true });
    installIn(name);
    copyModel(`${name}/public/model.gguf`, tinyModel('llama-bpe-q4_0-ropefreqs-tied').file);
    for (const [model, { pieces, named }] of Object.entries(scripts)) {
      writeFileSync(join(root, `public/${model}.gguf`), gguf(scriptedModel(pieces, { template: named + go })));
    }
    const { build } = await import('vite');
    await build({ root, configFile: false, logLevel: 'error' });
    if (name === 'service-worker') await buildServiceWorker(root);
    return { serves: { '/': join(root, 'dist') }, folder: join(root, 'dist') };
  };
}

/** One classic script, which every browser takes as a service worker. @param {string} root */
async function buildServiceWorker(root) {
  const { build } = await import('esbuild');
  await build({ absWorkingDir: root, entryPoints: ['sw.js'], bundle: true, format: 'iife', outdir: 'dist', logLevel: 'error' });
}

/** @param {any} answer */
export function checkCases(answer) {
  const cases = Object.entries(answer.cases);
  const failed = cases.filter(([, outcome]) => outcome !== 'ok').map(([name, outcome]) => `${name}: ${outcome}`);
  assert.deepEqual(failed, []);
  assert.ok(cases.length >= 8, `only ${cases.length} cases ran`);
  return `${cases.length} cases`;
}
