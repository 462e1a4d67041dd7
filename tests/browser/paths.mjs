// What is compared with the references: which engines and backends, which models, how closely.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../server/serve.mjs';

/** @typedef {{ kernels?: 'baseline' | 'relaxed', threads?: number }} Build  options that lead to one build of the engine */
/** @typedef {{ name: string, engine: import('./browsers.mjs').EngineName, backend: 'cpu' | 'webgpu', build: Build }} Path */
/** @type {Record<string, Build>} */
const builds = {
  baseline: { kernels: 'baseline' },
  relaxed: { kernels: 'relaxed', threads: 1 },
  threads: { kernels: 'relaxed', threads: 2 },
};
/** @type {Path[]} */
export const paths = [
  { name: 'Chromium cpu', engine: 'chromium', backend: 'cpu', build: builds.baseline },
  { name: 'Chromium cpu, relaxed', engine: 'chromium', backend: 'cpu', build: builds.relaxed },
  { name: 'Chromium cpu, threads', engine: 'chromium', backend: 'cpu', build: builds.threads },
  { name: 'Chromium webgpu', engine: 'chromium', backend: 'webgpu', build: {} },
  { name: 'Firefox cpu', engine: 'firefox', backend: 'cpu', build: builds.baseline },
  { name: 'Firefox cpu, relaxed', engine: 'firefox', backend: 'cpu', build: builds.relaxed },
  { name: 'Firefox cpu, threads', engine: 'firefox', backend: 'cpu', build: builds.threads },
  { name: 'Firefox webgpu', engine: 'firefox', backend: 'webgpu', build: {} },
  { name: 'WebKit cpu', engine: 'webkit', backend: 'cpu', build: {} },
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
  /** Scores of Gemma to llama.cpp's on float32 weights, which come from a table of GELU in float16. */
  geluTable: 0.01,
};

/**
 * @param {Path} path @param {Record<string, number>} tensorTypes  of the model, with their numbers
 */
export function limitOf({ backend, build }, tensorTypes) {
  const isQuantised = Object.keys(tensorTypes).some((type) => !['F32', 'F16', 'BF16'].includes(type));
  if (backend !== 'cpu' || !isQuantised) return limits.f32;
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

/** The default model; `make model` puts it there. */
const { file } = JSON.parse(readFileSync(join(projectRoot, 'www/default-model.json'), 'utf8'));
export const realModel = {
  url: `/models/${file}`,
  file: join(projectRoot, 'models', file),
  expected: join(projectRoot, 'tests/goldens/real/smollm2-135m.json'),
};
