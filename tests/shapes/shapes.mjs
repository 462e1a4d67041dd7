// The shapes of published models, from their config.json and tokenizer files. Sizes are counts of elements or tokens.

/**
 * @typedef {object} Shape
 * @property {string} architecture  GGUF's name
 * @property {string} title
 * @property {number} width        of the residual stream
 * @property {number} layers
 * @property {number} heads        of queries
 * @property {number} kvHeads
 * @property {number} headDim
 * @property {number} hidden       of the feed-forward
 * @property {number} vocabulary   rows of the embedding table
 * @property {number} context
 * @property {number} epsilon      of the norms
 * @property {number} ropeBase
 * @property {number} [ropeDims]   that rotate, if not all of a head
 * @property {Vocabulary} tokens
 * @property {boolean} [headNorms]    a norm of each head of queries and keys
 * @property {boolean} [postNorms]    norms of what attention and feed-forward add
 * @property {boolean} [subNorms]     norms inside of attention and feed-forward
 * @property {boolean} [fused]        one tensor for queries, keys and values, one for gate and up
 * @property {number} [window]        positions that a windowed layer sees
 * @property {number} [ropeScaling]   linear
 * @property {{ long: number, short: number, original: number }} [longRope]  typical factors, and the context before them
 * @property {boolean} [ropeFactors]  llama 3's divisors of frequencies
 * @property {boolean} [onlyByName]   `make shapes` leaves it out unless it is named: others say the same; here for its header
 */
/** @typedef {{ model: 'gpt2' | 'llama', pre?: string, special: string[], bos?: number, eos: number, addBos: boolean }} Vocabulary  `bos`, `eos`: indices in `special` */

/** @type {Omit<Shape, 'title' | 'width' | 'layers' | 'heads' | 'hidden'>} */
const qwen3 = {
  architecture: 'qwen3', kvHeads: 8, headDim: 128, vocabulary: 151936, context: 40960, epsilon: 1e-6, ropeBase: 1e6, headNorms: true,
  tokens: { model: 'gpt2', pre: 'qwen2', special: ['<|endoftext|>', '<|im_start|>', '<|im_end|>'], bos: 0, eos: 2, addBos: false },
};

/** @type {Omit<Shape, 'title' | 'width' | 'layers' | 'heads' | 'kvHeads' | 'hidden' | 'context'>} */
const gemma3 = {
  architecture: 'gemma3', headDim: 256, vocabulary: 262144, epsilon: 1e-6, ropeBase: 1e6, headNorms: true, postNorms: true,
  tokens: { model: 'llama', special: ['<pad>', '<eos>', '<bos>', '<unk>', '<start_of_turn>', '<end_of_turn>'], bos: 2, eos: 1, addBos: true },
};

/** @type {Pick<Shape, 'vocabulary' | 'tokens' | 'epsilon' | 'ropeBase'>} */
const llama3 = {
  vocabulary: 128256, epsilon: 1e-5, ropeBase: 500_000,
  tokens: { model: 'gpt2', pre: 'llama-bpe', special: ['<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>'], bos: 0, eos: 1, addBos: true },
};

/** @type {Omit<Shape, 'title' | 'width' | 'layers' | 'heads' | 'kvHeads' | 'hidden' | 'ropeBase'>} */
const smollm2 = {
  architecture: 'llama', headDim: 64, vocabulary: 49152, context: 8192, epsilon: 1e-5, onlyByName: true,
  tokens: { model: 'gpt2', pre: 'smollm', special: ['<|endoftext|>', '<|im_start|>', '<|im_end|>'], bos: 1, eos: 2, addBos: false },
};

/** @type {Record<string, Shape>} */
export const shapes = {
  'qwen3-0.6b': { ...qwen3, title: 'Qwen3 0.6B', width: 1024, layers: 28, heads: 16, hidden: 3072 },
  'llama-3.2-1b': {
    ...llama3, architecture: 'llama', title: 'Llama 3.2 1B', width: 2048, layers: 16, heads: 32, kvHeads: 8, headDim: 64, hidden: 8192,
    context: 131072, ropeFactors: true,
  },
  'gemma-3-1b': { ...gemma3, title: 'Gemma 3 1B', width: 1152, layers: 26, heads: 4, kvHeads: 1, hidden: 6912, context: 32768, window: 512 },
  'qwen3-1.7b': { ...qwen3, title: 'Qwen3 1.7B', width: 2048, layers: 28, heads: 16, hidden: 6144 },
  'bitnet-2b': {
    ...llama3, architecture: 'bitnet-b1.58', title: 'BitNet b1.58 2B4T', width: 2560, layers: 30, heads: 20, kvHeads: 5, headDim: 128, hidden: 6912,
    context: 4096, subNorms: true,
  },
  'phi-4-mini': {
    architecture: 'phi3', title: 'Phi-4-mini 3.8B', width: 3072, layers: 32, heads: 24, kvHeads: 8, headDim: 128, hidden: 8192, vocabulary: 200064,
    context: 131072, epsilon: 1e-5, ropeBase: 10_000, ropeDims: 96, fused: true, longRope: { long: 20, short: 1, original: 4096 },
    tokens: { model: 'gpt2', pre: 'gpt-4o', special: ['<|endoftext|>', '<|user|>', '<|assistant|>', '<|end|>'], bos: 0, eos: 3, addBos: false },
  },
  'qwen3-4b': { ...qwen3, title: 'Qwen3 4B', width: 2560, layers: 36, heads: 32, hidden: 9728 },
  'gemma-3-4b': {
    ...gemma3, title: 'Gemma 3 4B', width: 2560, layers: 34, heads: 8, kvHeads: 4, hidden: 10240, context: 131072, window: 1024, ropeScaling: 8,
  },
  'gemma-3-270m': { ...gemma3, title: 'Gemma 3 270M', width: 640, layers: 18, heads: 4, kvHeads: 1, hidden: 2048, context: 32768, window: 512, onlyByName: true },
  'llama-3.2-3b': {
    ...llama3, architecture: 'llama', title: 'Llama 3.2 3B', width: 3072, layers: 28, heads: 24, kvHeads: 8, headDim: 128, hidden: 8192,
    context: 131072, ropeFactors: true, onlyByName: true,
  },
  'smollm2-135m': { ...smollm2, title: 'SmolLM2 135M', width: 576, layers: 30, heads: 9, kvHeads: 3, hidden: 1536, ropeBase: 100_000 },
  'smollm2-360m': { ...smollm2, title: 'SmolLM2 360M', width: 960, layers: 32, heads: 15, kvHeads: 5, hidden: 2560, ropeBase: 100_000 },
  'smollm2-1.7b': { ...smollm2, title: 'SmolLM2 1.7B', width: 2048, layers: 24, heads: 32, kvHeads: 32, hidden: 8192, ropeBase: 130_000 },
  'smollm3-3b': {
    ...llama3, architecture: 'smollm3', title: 'SmolLM3 3B', width: 2048, layers: 36, heads: 16, kvHeads: 4, headDim: 128, hidden: 11008,
    context: 65536, epsilon: 1e-6, ropeBase: 5_000_000, onlyByName: true,
  },
};
