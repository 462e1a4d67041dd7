// usage: node tests/bench/webgpu.mjs [--browsers=chromium,firefox] [--runs=3] [--prompt=128] [--generate=8] [--model=FILE.gguf]
//
// Prefill and decode on WebGPU, in tokens a second, in each way that the browser has: prompts in f32, in halves and in 8 bits, and without
// subgroups. The ways take turns, run by run, in one page and on one adapter. Nothing else should be running.
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { open, roots } from '../browser/browsers.mjs';
import { projectRoot } from '../server/serve.mjs';

/** @type {Record<string, string>} */
const given = Object.fromEntries(process.argv.slice(2).map((argument) => argument.replace(/^--/, '').split('=')));
const [runs, length, generate] = [Number(given.runs ?? 3), Number(given.prompt ?? 128), Number(given.generate ?? 8)];
const path = resolve(given.model ?? join(projectRoot, 'models/SmolLM2-135M-Instruct.Q4_1.gguf'));
if (!existsSync(path)) throw new Error(`${path} is missing; run "make model", or name a file with --model=`);

/** @type {{ name: string, webgpu: { prefill?: 'f32' | 'f16' | 'int8', subgroups?: boolean } }[]} */
const ways = [
  { name: 'f32', webgpu: { prefill: 'f32' } },
  { name: 'f32, no subgroups', webgpu: { prefill: 'f32', subgroups: false } },
  { name: 'f16', webgpu: { prefill: 'f16' } },
  { name: 'int8', webgpu: { prefill: 'int8' } },
];

/** In the page: the names of those that the browser has. @param {any} wanted */
async function openModels({ gguf, all }) {
  const { load } = await import(/** @type {any} */ ('/pkg/dist/index.js'));
  const models = /** @type {any} */ (window).models = /** @type {Record<string, any>} */ ({});
  for (const { name, webgpu } of all) {
    try {
      models[name] = await load(gguf, { backend: 'webgpu', cache: 'none', contextLength: 512, webgpu });
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'gpu-unavailable') throw error;
    }
  }
  return Object.keys(models);
}

/** In the page: tokens a second of a prompt, and of what follows it. @param {any} wanted @returns {Promise<[number, number]>} */
async function measure({ name, text, length, generate }) {
  const model = /** @type {any} */ (window).models[name];
  const prompt = (await model.tokenize(text, { addSpecial: false })).slice(0, length);
  const { timings } = await model.generate(prompt, { maxTokens: generate, temperature: 0, ignoreEos: true }).result();
  if (timings.cachedTokens > 0) throw new Error(`${timings.cachedTokens} tokens of the prompt were known`);
  return [timings.promptTokens / (timings.promptMs / 1000), (timings.generatedTokens - 1) / (timings.generateMs / 1000)];
}

const WORDS = ['One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven'];
/** @param {number[]} values */
const show = (values) => `${(values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN).toFixed(2)} (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)})`;

/** @param {import('../browser/browsers.mjs').EngineName} engine */
async function measureIn(engine) {
  const session = await open({ engine, webgpu: true, strict: false, serves: { ...roots, '/models/': dirname(path) } });
  try {
    const names = await session.evaluate(openModels, { gguf: `/models/${basename(path)}`, all: ways });
    console.log(`${engine}, ${basename(path)}, ${runs} runs, prompt of ${length} tokens, ${generate} generated`);
    /** @type {Map<string, [number, number][]>} */
    const found = new Map(names.map((name) => [name, []]));
    for (let run = 0; run <= runs; run += 1) {
      // another first word each time: nothing of a prompt may come from the cache of the one before
      const text = `${WORDS[run % WORDS.length]}. ${'The quick brown fox jumps over the lazy dog. '.repeat(length / 10 + 1)}`;
      for (const [name, speeds] of found) {
        const speed = await session.evaluate(measure, { name, text, length, generate });
        if (run > 0) speeds.push(speed); // the first compiles
      }
    }
    for (const [name, speeds] of found) {
      console.log(`  ${name.padEnd(18)} prefill ${show(speeds.map(([prefill]) => prefill)).padEnd(28)} decode ${show(speeds.map(([, decode]) => decode))}`);
    }
  } finally {
    await session.close();
  }
}

console.log('tokens a second: median (least to most)');
for (const browser of (given.browsers ?? 'chromium,firefox').split(',')) {
  await measureIn(/** @type {import('../browser/browsers.mjs').EngineName} */ (browser));
}
