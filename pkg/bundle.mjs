// What is published: dist/ with one script for the page's entries, one for the worker, and the engine's glue as wasm-bindgen
// wrote it. Every worker fetches its script, so that forty modules would be forty requests each time; tests import those from build/.
//   node bundle.mjs
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const dist = join(import.meta.dirname, 'dist');
for (const name of readdirSync(dist)) {
  if (name.endsWith('.js')) rmSync(join(dist, name));
}

/** @type {import('esbuild').BuildOptions} */
const shared = {
  absWorkingDir: import.meta.dirname,
  outdir: dist,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  external: ['./wasm/*'],
  logLevel: 'warning',
};
// what two entries share is in a file of its own, so that an error's class is one
await build({
  ...shared,
  splitting: true,
  entryPoints: ['index', 'openai', 'service-worker', 'ai-sdk'].map((name) => `build/${name}.js`),
  chunkNames: 'shared-[hash]',
});
await build({ ...shared, entryPoints: ['build/worker.js'] });
