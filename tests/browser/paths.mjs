// What is compared with the references: which engines and backends, which models, how closely.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../server/serve.mjs';

/** @typedef {{ kernels?: 'baseline' | 'relaxed', threads?: number, kvCacheType?: 'f32' | 'f16' | 'i16' | 'q8_0', webgpu?: { prefill?: 'f32' | 'f16' | 'int8', subgroups?: boolean } }} Build  options that lead to one build of the engine */
/** @typedef {{ name: string, engine: import('./browsers.mjs').EngineName, backend: 'cpu' | 'webgpu', build: Build }} Path */
/** A backend's own choice has 16 bits, which round: `kv-cache.test.mjs`. */
const exact = { kvCacheType: /** @type {const} */ ('f32') };
/** @type {Record<string, Build>} */
const builds = {
  baseline: { kernels: 'baseline', ...exact },
  relaxed: { kernels: 'relaxed', threads: 1, ...exact },
  threads: { kernels: 'relaxed', threads: 2, ...exact },
};
/** @type {Path[]} */
export const paths = [
  { name: 'Chromium cpu', engine: 'chromium', backend: 'cpu', build: builds.baseline },
  { name: 'Chromium cpu, relaxed', engine: 'chromium', backend: 'cpu', build: builds.relaxed },
  { name: 'Chromium cpu, threads', engine: 'chromium', backend: 'cpu', build: builds.threads },
  { name: 'Chromium webgpu', engine: 'chromium', backend: 'webgpu', build: exact },
  { name: 'Firefox cpu', engine: 'firefox', backend: 'cpu', build: builds.baseline },
  { name: 'Firefox cpu, relaxed', engine: 'firefox', backend: 'cpu', build: builds.relaxed },
  { name: 'Firefox cpu, threads', engine: 'firefox', backend: 'cpu', build: builds.threads },
  { name: 'Firefox webgpu', engine: 'firefox', backend: 'webgpu', build: exact },
  { name: 'WebKit cpu', engine: 'webkit', backend: 'cpu', build: exact },
];

/**
 * WebGPU beyond core WGSL, switched on or off: Chromium's emulation has subgroups, which are on otherwise, Firefox's has halves.
 * @type {Path[]}
 */
export const switchedPaths = [
  { name: 'Chromium webgpu, no subgroups', engine: 'chromium', backend: 'webgpu', build: { ...exact, webgpu: { subgroups: false } } },
  { name: 'Chromium webgpu, int8', engine: 'chromium', backend: 'webgpu', build: { ...exact, webgpu: { prefill: 'int8' } } },
  { name: 'Firefox webgpu, f16', engine: 'firefox', backend: 'webgpu', build: { ...exact, webgpu: { prefill: 'f16' } } },
  { name: 'Firefox webgpu, int8', engine: 'firefox', backend: 'webgpu', build: { ...exact, webgpu: { prefill: 'int8' } } },
];

/** Largest difference of a log-probability to the reference; the classes are those of tests/goldens/README.md. */
export const limits = {
  /** float32 arithmetic on dequantised weights, to float64 */
  f32: 0.001,
  /**
   * The CPU's products with quantised weights round their inputs to 15 bits and a sign, between float32 and float16
   * (class 0.05). Measured: 0.0015 with tiny models, 0.0016 with SmolLM2. Held well below what
   * float16 inputs (0.015) or 8-bit ones (0.3) would give, so that neither can slip in.
   */
  fifteenBits: 0.005,
  /**
   * Products with activations of 8 bits: to llama.cpp's own, which has such activations too, and no further from float64 than
   * 1.2 times what it is in the mean.
   */
  eightBits: 0.5,
  eightBitsMean: 1.2,
  /** WebGPU's products of a prompt in halves: the class of float16 arithmetic. */
  halfProducts: 0.05,
  /** Keys and values in 16 bits, of tiny models without experts: 0.0095 was seen, natively. The class of float16 arithmetic is 0.05. */
  halves: 0.02,
  /** Scores of Gemma to llama.cpp's on float32 weights, which come from a table of GELU in float16. */
  geluTable: 0.01,
};

/**
 * @param {Path} path @param {Record<string, number>} tensorTypes  of the model, with their numbers
 */
export function limitOf({ backend, build }, tensorTypes) {
  const isQuantised = Object.keys(tensorTypes).some((type) => !['F32', 'F16', 'BF16'].includes(type));
  if (!isQuantised) return limits.f32;
  if (backend === 'webgpu') return { f32: limits.f32, f16: limits.halfProducts, int8: limits.eightBits }[build.webgpu?.prefill ?? 'f32'];
  return build.kernels === 'relaxed' ? limits.eightBits : limits.fifteenBits;
}

const tiny = join(projectRoot, 'tests/goldens/tiny');
/** The tiny models: where the page and this process find them. */
export const tinyModels = readdirSync(tiny).filter((name) => existsSync(join(tiny, name, 'model.gguf'))).map((name) => ({
  name,
  url: `/goldens/tiny/${name}/model.gguf`,
  file: join(tiny, name, 'model.gguf'),
  expected: join(tiny, name, 'expected.json'),
}));

/** @param {string} name */
export const tinyModel = (name) => {
  const model = tinyModels.find((candidate) => candidate.name === name);
  if (!model) throw new Error(`tests/goldens/tiny has no ${name}`);
  return model;
};

/** @typedef {{ prompts: number[], ids: number, passages: number, tokens: number }} Work  what a path does of a model */
/**
 * @typedef {object} RealModel
 * @property {string} name          as it is printed
 * @property {string} url           where the page finds it
 * @property {string} file          where this process does
 * @property {string} expected      its numbers
 * @property {string} architecture
 * @property {string} quantisation
 * @property {Record<string, number>} types
 * @property {number} llamaCpp      how far llama.cpp's own numbers on float32 weights are from float64, where those are not there
 * @property {(path: Path) => Work} work
 */

/** What llama.cpp's 8-bit activations do to a perplexity is known of whole passages. */
const isWhole = (/** @type {Build} */ { kernels }) => kernels === 'relaxed';
const all = { prompts: [...Array(10).keys()], ids: 64, passages: 2, tokens: Infinity };
const json = (/** @type {string} */ path) => JSON.parse(readFileSync(join(projectRoot, path), 'utf8'));
/** @param {string} file @param {string} expected */
const located = (file, expected) => ({
  url: `/models/${file}`,
  file: join(projectRoot, 'models', file),
  expected: join(projectRoot, 'tests/goldens/real', expected),
});

/** The default model; `make model` puts it and the other one there. */
export const realModel = located(json('www/default-model.json').file, 'smollm2-135m.json');
/**
 * Software WebGPU adapters answer with a few tokens a second, so only the CPU in Chromium does all of it.
 * @type {RealModel[]}
 */
export const realModels = [
  {
    ...realModel,
    name: 'SmolLM2 135M',
    architecture: 'llama',
    quantisation: 'Q4_1',
    types: { Q4_1: 1, Q8_0: 1 },
    llamaCpp: 0,
    work: ({ name, backend, build }) => {
      if (name === 'Chromium cpu') return all;
      return { prompts: [0, 2], ids: backend === 'cpu' ? 16 : 8, passages: 1, tokens: isWhole(build) ? Infinity : 64 };
    },
  },
  {
    ...located(json('scripts/test-models.json')['gemma-3-270m'].file, 'gemma-3-270m.json'),
    name: 'Gemma 3 270M',
    architecture: 'gemma3',
    quantisation: 'Q4_K_M',
    types: { Q4_K: 1, Q8_0: 1 },
    llamaCpp: limits.geluTable,
    work: ({ name, backend, build }) => {
      if (name === 'Chromium cpu') return { ...all, passages: 1 };
      const tokens = isWhole(build) ? Infinity : backend === 'cpu' ? 48 : 24;
      return { prompts: [0, 2], ids: backend === 'cpu' ? 16 : 8, passages: 1, tokens };
    },
  },
];
