// usage: node tests/bench/depth.mjs [--kv=f32,i16,q8_0] [--packages=pkg] [--depth=1900] [--rounds=9] [--model=FILE.gguf]
//
// Decode on the CPU behind a short and a long context, ms a token: median (least), one thread, the relaxed build in this Node, which
// needs relaxed SIMD (22 and later). All engines are in one process and take turns of 16 tokens, so that a machine whose speed drifts
// treats them alike. --packages: folders like pkg/, of several states of the code. Nothing else should be running.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../server/serve.mjs';

const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.replace(/^--/, '').split('=')));
const { kv = 'f32,i16,q8_0', packages = join(projectRoot, 'pkg'), depth = 1900, rounds = 9 } = given;
const data = readFileSync(given.model ?? join(projectRoot, 'models/SmolLM2-135M-Instruct.Q4_1.gguf'));
const SHORT = 32;
const TURN = 16;
const PIECE = 4 << 20;

/** Token ids without a pattern that a cache of prefixes would know. */
const ids = (count) => Uint32Array.from({ length: count }, (_, i) => 100 + ((i * 7919) % 40_000));
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const shown = (list) => `${median(list).toFixed(2)} (${Math.min(...list).toFixed(2)})`;

async function open(folder, kvCacheType) {
  const script = join(resolve(folder), 'dist/wasm/pagelm_relaxed.js');
  if (!existsSync(script)) throw new Error(`${script} is missing; run 'make build'`);
  // a module of its own for each engine: the choice of kernels is the module's
  const m = await import(`${pathToFileURL(script)}?${kvCacheType}`);
  await m.default({ module_or_path: readFileSync(script.replace(/\.js$/, '_bg.wasm')) });
  m.setKernels(m.kernelForms()[0]);
  const loader = new m.Loader({ backend: 'cpu', fileBytes: data.length, contextLength: Number(depth) + 128, kvCacheType });
  for (let at = 0; at < data.length; at += PIECE) {
    if (loader.push(data.subarray(at, Math.min(data.length, at + PIECE)))) await loader.prepare();
  }
  return { name: `${folder} ${kvCacheType}`, engine: await loader.finish(), short: [], deep: [], prefill: 0 };
}

async function generate(engine, prompt, maxTokens) {
  engine.start(prompt, { maxTokens, ignoreEos: true });
  const start = performance.now();
  const times = [];
  for (;;) {
    const { type } = await engine.step();
    if (type === 'token') times.push(performance.now());
    if (type === 'finish') break;
  }
  return { prefill: (prompt.length / (times[0] - start)) * 1000, ms: (times[times.length - 1] - times[0]) / (times.length - 1) };
}

const engines = [];
for (const folder of packages.split(',')) {
  for (const type of kv.split(',')) engines.push(await open(folder, type));
}
for (const [key, length] of [['short', SHORT], ['deep', Number(depth)]]) {
  const prompt = ids(length);
  for (const one of engines) one.prefill = (await generate(one.engine, prompt, 2)).prefill;
  for (let round = 0; round < Number(rounds); round++) {
    for (const one of engines) one[key].push((await generate(one.engine, prompt, TURN)).ms);
  }
}
console.log(`Node ${process.versions.node}; ms a token behind ${SHORT} and ${depth}, their difference, the ratio of speeds; prefill of ${depth}, tokens a second`);
for (const { name, short, deep, prefill } of engines) {
  const [few, many] = [median(short), median(deep)];
  console.log(`${name}: ${shown(short)}, ${shown(deep)}, ${(many - few).toFixed(2)}, ${(few / many).toFixed(2)}; ${prefill.toFixed(0)}`);
}
