// Tensor types as their bytes: blocks of random codes with sane scales, so that whatever is computed with them stays
// finite. Layouts: ggml's ggml-common.h, for I2_S src/quant/i2_s.rs.
import { random } from '../browser/gguf.js';

/**
 * @typedef {object} Type
 * @property {number} id
 * @property {number} block    weights
 * @property {number} bytes    of a block
 * @property {(block: Uint8Array) => void} [scale]  sets the fields of a block of random bytes that are not codes
 * @property {number} [trailer]  bytes behind a tensor
 */

/** The bits of 2^-`power` as an IEEE half, for powers up to 14. @param {number} power */
const half = (power) => (15 - power) << 10;

/** @param {Uint8Array} bytes @param {number} at @param {number} value  16 bits */
function put16(bytes, at, value) {
  bytes[at] = value & 0xff;
  bytes[at + 1] = value >> 8;
}

/** Three ternary digits of 2 bits stay, the fourth value becomes zero. @param {Uint8Array} codes @param {number} zero  the code of 0 */
function ternary(codes, zero) {
  for (let i = 0; i < codes.length; i += 1) {
    for (let shift = 0; shift < 8; shift += 2) {
      if ((codes[i] >> shift & 3) === 3) codes[i] = codes[i] & ~(3 << shift) | zero << shift;
    }
  }
}

/** @type {Record<string, Type>} */
export const types = {
  F32: { id: 0, block: 1, bytes: 4, scale: (b) => new DataView(b.buffer, b.byteOffset).setFloat32(0, (b[0] - 127.5) / 2048, true) },
  // the sign and the lower bits of the mantissa stay random, the exponent is 2^-6
  F16: { id: 1, block: 1, bytes: 2, scale: (b) => { b[1] = b[1] & 0x80 | 0x24; } },
  Q4_0: { id: 2, block: 32, bytes: 18, scale: (b) => put16(b, 0, half(8)) },
  Q5_0: { id: 6, block: 32, bytes: 22, scale: (b) => put16(b, 0, half(9)) },
  Q5_1: { id: 7, block: 32, bytes: 24, scale: (b) => { put16(b, 0, half(9)); put16(b, 2, half(5) | 0x8000); } },
  Q8_0: { id: 8, block: 32, bytes: 34, scale: (b) => put16(b, 0, half(12)) },
  Q4_K: { id: 12, block: 256, bytes: 144, scale: (b) => { put16(b, 0, half(13)); put16(b, 2, half(10)); } },
  Q5_K: { id: 13, block: 256, bytes: 176, scale: (b) => { put16(b, 0, half(14)); put16(b, 2, half(10)); } },
  Q6_K: { id: 14, block: 256, bytes: 210, scale: (b) => put16(b, 208, half(14) >> 3) },
  TQ2_0: { id: 35, block: 256, bytes: 66, scale: (b) => { ternary(b.subarray(0, 64), 1); put16(b, 64, half(5)); } },
  I2_S: { id: 36, block: 128, bytes: 32, trailer: 32, scale: (b) => ternary(b, 1) },
};

/** How much of a tensor is made before it repeats: about this many bytes. */
const REPEAT_BYTES = 1 << 20;

/** Whole random blocks of a type. @param {string} name */
export function randomBlocks(name) {
  const { bytes, scale, id } = types[name];
  const next = random(id + 1);
  const out = new Uint8Array(Math.floor(REPEAT_BYTES / bytes) * bytes);
  for (let i = 0; i < out.length; i += 1) out[i] = next() * 256;
  if (scale) for (let at = 0; at < out.length; at += bytes) scale(out.subarray(at, at + bytes));
  return out;
}

/** What is behind a tensor of a type: of I2_S its scale. @param {string} name */
export function trailerOf(name) {
  const { trailer = 0 } = types[name];
  const out = new Uint8Array(trailer);
  if (trailer > 0) new DataView(out.buffer).setFloat32(0, 2 ** -5, true);
  return out;
}

/** @param {string} name @param {number[]} dims */
export function bytesOf(name, dims) {
  const { block, bytes, trailer = 0 } = types[name];
  return dims.reduce((a, b) => a * b) / block * bytes + trailer;
}
