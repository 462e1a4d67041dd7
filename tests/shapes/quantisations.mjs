// Which type each matrix has in a file of a quantisation: the rules of llama.cpp's quantiser for tied models
// (llama_tensor_get_type), and Microsoft's for I2_S.
import { types } from './types.mjs';

/**
 * @typedef {object} Quantisation
 * @property {number} fileType  general.file_type
 * @property {(name: string, layer: number, layers: number) => string} type  of a matrix, `layer` is -1 outside of blocks
 */

/** Layers whose values and down projections a mix keeps finer: the first and last eighth, and every third between. */
const isFine = (/** @type {number} */ layer, /** @type {number} */ layers) =>
  layer < Math.floor(layers / 8) || layer >= Math.floor(7 * layers / 8) || (layer - Math.floor(layers / 8)) % 3 === 2;

const isTable = (/** @type {string} */ name) => name === 'token_embd';

/** @type {Record<string, Quantisation>} */
export const quantisations = {
  Q4_0: { fileType: 2, type: (name) => (isTable(name) ? 'Q6_K' : 'Q4_0') },
  Q4_K_M: {
    fileType: 15,
    type(name, layer, layers) {
      if (isTable(name)) return 'Q6_K';
      if (name === 'attn_qkv') return 'Q5_K';
      return (name === 'attn_v' || name === 'ffn_down') && isFine(layer, layers) ? 'Q6_K' : 'Q4_K';
    },
  },
  Q5_1: { fileType: 9, type: (name) => (isTable(name) ? 'Q6_K' : 'Q5_1') },
  Q8_0: { fileType: 7, type: () => 'Q8_0' },
  // of Gemma 3 4B more than 4 GiB
  Q8_0_L: { fileType: 7, type: (name) => (isTable(name) ? 'F16' : 'Q8_0') },
  TQ2_0: { fileType: 37, type: (name) => (isTable(name) ? 'Q6_K' : 'TQ2_0') },
  I2_S: { fileType: 40, type: (name) => (isTable(name) ? 'F16' : 'I2_S') },
};

/** What stands in for a type whose blocks are too long for the rows. @type {Record<string, string>} */
const shorter = { Q4_K: 'Q5_0', Q5_K: 'Q5_1', Q6_K: 'Q8_0' };

/** @param {string} type @param {number} columns */
export function fitting(type, columns) {
  const fits = columns % types[type].block === 0 ? type : shorter[type];
  if (fits === undefined || columns % types[fits].block !== 0) throw new Error(`rows of ${columns} are not whole blocks of ${type}`);
  return fits;
}

/** Quantisations that people use of a shape. @param {string} shape */
export function usual(shape) {
  if (shape === 'bitnet-2b') return ['TQ2_0', 'I2_S'];
  return ['Q4_0', 'Q4_K_M', 'Q5_1', 'Q8_0', ...(shape === 'gemma-3-4b' ? ['Q8_0_L'] : [])];
}
