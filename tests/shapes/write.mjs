// Writes a GGUF file with the shape of a published model and random weights.
//   node tests/shapes/write.mjs qwen3-0.6b Q8_0 [FILE]     by default tests/out/shapes/<shape>-<quantisation>.gguf
import { closeSync, ftruncateSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, f32s, meta } from '../browser/gguf.js';
import { projectRoot } from '../server/serve.mjs';
import { fitting, quantisations } from './quantisations.mjs';
import { shapes } from './shapes.mjs';
import { bytesOf, randomBlocks, trailerOf, types } from './types.mjs';
import { vocabularyPairs } from './vocabulary.mjs';

/** @typedef {import('./shapes.mjs').Shape} Shape */
/** @typedef {{ name: string, dims: number[], type: string, values?: Float32Array }} Tensor  random, unless it has `values` (F32) */

const ALIGNMENT = 32;
const aligned = (/** @type {number} */ bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** @param {Shape} s @param {string} quantisation */
function pairsOf(s, quantisation) {
  const key = (/** @type {string} */ name) => `${s.architecture}.${name}`;
  /** @type {[string, import('../browser/gguf.js').MetadataValue][]} */
  const pairs = [
    ['general.architecture', meta.string(s.architecture)],
    ['general.name', meta.string(`${s.title}, random weights`)],
    ['general.file_type', meta.u32(quantisations[quantisation].fileType)],
    [key('block_count'), meta.u32(s.layers)],
    [key('context_length'), meta.u32(s.context)],
    [key('embedding_length'), meta.u32(s.width)],
    [key('feed_forward_length'), meta.u32(s.hidden)],
    [key('attention.head_count'), meta.u32(s.heads)],
    [key('attention.head_count_kv'), meta.u32(s.kvHeads)],
    [key('attention.key_length'), meta.u32(s.headDim)],
    [key('attention.value_length'), meta.u32(s.headDim)],
    [key('attention.layer_norm_rms_epsilon'), meta.f32(s.epsilon)],
    [key('rope.dimension_count'), meta.u32(s.ropeDims ?? s.headDim)],
    [key('rope.freq_base'), meta.f32(s.ropeBase)],
  ];
  if (s.window) pairs.push([key('attention.sliding_window'), meta.u32(s.window)]);
  if (s.ropeScaling) pairs.push([key('rope.scaling.type'), meta.string('linear')], [key('rope.scaling.factor'), meta.f32(s.ropeScaling)]);
  if (s.longRope) pairs.push([key('rope.scaling.original_context_length'), meta.u32(s.longRope.original)]);
  return [...pairs, ...vocabularyPairs(s.tokens, s.vocabulary)];
}

/** Of every matrix of a block: rows, columns. @param {Shape} s @returns {Record<string, [number, number]>} */
function matricesOf(s) {
  const [q, kv] = [s.heads * s.headDim, s.kvHeads * s.headDim];
  /** @type {Record<string, [number, number]>} */
  const split = { attn_q: [q, s.width], attn_k: [kv, s.width], attn_v: [kv, s.width] };
  /** @type {Record<string, [number, number]>} */
  const fused = { attn_qkv: [q + 2 * kv, s.width] };
  /** @type {Record<string, [number, number]>} */
  const feedForward = s.fused ? { ffn_up: [2 * s.hidden, s.width] } : { ffn_gate: [s.hidden, s.width], ffn_up: [s.hidden, s.width] };
  return { ...(s.fused ? fused : split), attn_output: [s.width, q], ...feedForward, ffn_down: [s.width, s.hidden] };
}

/** Of every norm of a block: its length. @param {Shape} s @returns {Record<string, number>} */
function normsOf(s) {
  return {
    attn_norm: s.width,
    ffn_norm: s.width,
    ...(s.headNorms && { attn_q_norm: s.headDim, attn_k_norm: s.headDim }),
    ...(s.postNorms && { post_attention_norm: s.width, post_ffw_norm: s.width }),
    ...(s.subNorms && { attn_sub_norm: s.heads * s.headDim, ffn_sub_norm: s.hidden }),
  };
}

/** @param {string} name @param {number} length @param {number} [value] @returns {Tensor} */
const vector = (name, length, value = 1) => ({ name, dims: [length], type: 'F32', values: new Float32Array(length).fill(value) });

/** In the order of the file. @param {Shape} s @param {string} quantisation @returns {Tensor[]} */
function tensorsOf(s, quantisation) {
  const matrix = (/** @type {string} */ name, /** @type {number} */ layer, /** @type {[number, number]} */ [rows, columns]) => ({
    name: `${layer < 0 ? '' : `blk.${layer}.`}${name}.weight`,
    dims: [columns, rows],
    type: fitting(quantisations[quantisation].type(name, layer, s.layers), columns),
  });
  const rotates = (s.ropeDims ?? s.headDim) / 2;
  const all = [matrix('token_embd', -1, [s.vocabulary, s.width]), vector('output_norm.weight', s.width)];
  if (s.ropeFactors) all.push(vector('rope_freqs.weight', rotates));
  if (s.longRope) all.push(vector('rope_factors_long.weight', rotates, s.longRope.long), vector('rope_factors_short.weight', rotates, s.longRope.short));
  for (let layer = 0; layer < s.layers; layer += 1) {
    for (const [name, length] of Object.entries(normsOf(s))) all.push(vector(`blk.${layer}.${name}.weight`, length));
    for (const [name, shape] of Object.entries(matricesOf(s))) all.push(matrix(name, layer, shape));
  }
  return all;
}

/** Writes all of it: a write may be short. @param {number} file @param {Uint8Array} bytes */
function put(file, bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Random blocks, each tensor's from another place, again and again. */
class Filler {
  /** @type {Map<string, Uint8Array>} */
  #blocks = new Map();
  #tensors = 0;

  /** @param {number} file @param {Tensor} tensor */
  write(file, { type, dims, values }) {
    if (values) return put(file, f32s(values));
    const blocks = this.#blocks.get(type) ?? randomBlocks(type);
    this.#blocks.set(type, blocks);
    const { bytes } = types[type];
    const trailer = trailerOf(type);
    this.#tensors += 1;
    let from = (this.#tensors * 7919 * bytes) % blocks.length;
    for (let left = bytesOf(type, dims) - trailer.length; left > 0; from = 0) {
      const part = blocks.subarray(from, from + Math.min(left, blocks.length - from));
      put(file, part);
      left -= part.length;
    }
    put(file, trailer);
  }
}

/** @param {number} file @param {Tensor[]} tensors */
function fill(file, tensors) {
  const filler = new Filler();
  for (const tensor of tensors) {
    filler.write(file, tensor);
    const bytes = bytesOf(tensor.type, tensor.dims);
    put(file, new Uint8Array(aligned(bytes) - bytes));
  }
}

/** The beginning of a file, up to its weights, and how long all of it is. @param {string} shape  one of `shapes` @param {string} quantisation  one of `quantisations` */
function begin(shape, quantisation) {
  const s = shapes[shape];
  if (!s) throw new Error(`there is no shape ${shape}; there are ${Object.keys(shapes).join(', ')}`);
  if (!quantisations[quantisation]) throw new Error(`there is no quantisation ${quantisation}; there are ${Object.keys(quantisations).join(', ')}`);
  const tensors = tensorsOf(s, quantisation);
  let offset = 0;
  const directory = tensors.map(({ name, dims, type }) => {
    const entry = { name, dims, type: types[type].id, offset, data: new Uint8Array(0) };
    offset += aligned(bytesOf(type, dims));
    return entry;
  });
  const header = build({ pairs: pairsOf(s, quantisation), tensors: directory });
  return { header, tensors, bytes: header.length + offset };
}

/** A file for `server.files`, all of whose weights are zero. @param {string} shape @param {string} quantisation @returns {import('../server/sparse.mjs').SparseFile} */
export function sparseFile(shape, quantisation) {
  const { header, bytes } = begin(shape, quantisation);
  return { size: bytes, extents: [{ at: 0, bytes: header }] };
}

/**
 * @param {string} shape  one of `shapes`
 * @param {string} quantisation  one of `quantisations`
 * @param {string} path  appears only when it is complete
 * @param {{ sparse?: boolean }} [options]  sparse: weights that take no room on the disk, all zero
 * @returns {number} bytes of the file
 */
export function write(shape, quantisation, path, { sparse = false } = {}) {
  const { header, tensors, bytes } = begin(shape, quantisation);
  mkdirSync(dirname(path), { recursive: true });
  const unfinished = `${path}.part`;
  const file = openSync(unfinished, 'w');
  try {
    put(file, header);
    if (sparse) ftruncateSync(file, bytes);
    else fill(file, tensors);
    renameSync(unfinished, path);
    return bytes;
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Where files are written by default; git does not see it. */
export const folder = join(projectRoot, 'tests/out/shapes');

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [shape, quantisation, path = join(folder, `${shape}-${quantisation}.gguf`)] = process.argv.slice(2);
  console.log(`${write(shape, quantisation, path)} bytes in ${path}`);
}
