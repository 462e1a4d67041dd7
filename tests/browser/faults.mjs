// Faults in the bytes of a model file, for tests that have to notice them. tests/goldens/faults.rs plants more, natively.

/** One change: from byte `at` on, `count` times, `step` bytes apart, a byte is `xor`ed. */
/** @typedef {{ at: number, xor: number, step?: number, count?: number }} Edit */

/** Types that faults are planted in: number, bytes of a block, weights of a block. */
const Q4_0 = { id: 2, bytes: 18, weights: 32 };

/**
 * The value of a metadata key, four bytes, becomes another.
 * @param {Buffer} file @param {string} key @param {(old: Buffer) => void} change
 * @returns {Edit[]}
 */
function value(file, key, change) {
  const at = file.indexOf(key) + key.length + 4;
  if (at < key.length + 4) throw new Error(`${key} is not there`);
  const changed = Buffer.from(file.subarray(at, at + 4));
  change(changed);
  const edits = [...changed].map((byte, i) => ({ at: at + i, xor: byte ^ file[at + i] })).filter(({ xor }) => xor !== 0);
  if (edits.length === 0) throw new Error(`${key} is that already`);
  return edits;
}

/** @param {Buffer} file @param {string} key @param {number} factor */
export const scaledFloat = (file, key, factor) => value(file, key, (old) => old.writeFloatLE(old.readFloatLE() * factor));

/** @param {Buffer} file @param {string} key @param {number} more */
export const largerCount = (file, key, more) => value(file, key, (old) => old.writeUInt32LE(old.readUInt32LE() + more));

/**
 * The halves of one byte of codes in the middle of a tensor of Q4_0 change places.
 * @param {Buffer} file @param {string} name
 * @returns {Edit[]}
 */
export function swappedNibble(file, name) {
  const { start, blocks } = tensor(file, name);
  const codes = start + (blocks >> 1) * Q4_0.bytes + 2;
  const at = [...Array(16).keys()].map((i) => codes + i).find((i) => file[i] >> 4 !== (file[i] & 15));
  if (at === undefined) throw new Error('all halves are equal');
  return [{ at, xor: file[at] ^ ((file[at] >> 4) | ((file[at] & 15) << 4)) }];
}

/**
 * A bit of every scale of a tensor of Q4_0, the lowest unless another is given.
 * @param {Buffer} file @param {string} name @param {number} [bit]  below 8, of the ten of a half's mantissa
 * @returns {Edit[]}
 */
export function scaleBits(file, name, bit = 0) {
  const { start, blocks } = tensor(file, name);
  return [{ at: start, xor: 1 << bit, step: Q4_0.bytes, count: blocks }];
}

/**
 * Where the blocks of a matrix of Q4_0 are. The tensors' data fills the end of the file, in the order of the directory.
 * @param {Buffer} file @param {string} name
 */
function tensor(file, name) {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(name.length));
  const entry = file.indexOf(Buffer.concat([length, Buffer.from(name)])) + 8 + name.length;
  const [dims, cols, rows] = [file.readUInt32LE(entry), Number(file.readBigUInt64LE(entry + 4)), Number(file.readBigUInt64LE(entry + 12))];
  if (dims !== 2 || file.readUInt32LE(entry + 20) !== Q4_0.id) throw new Error(`${name} is no matrix of Q4_0`);
  return { start: dataStart(file) + Number(file.readBigUInt64LE(entry + 24)), blocks: (rows * cols) / Q4_0.weights };
}

/**
 * Where the tensors' data begins: after the directory's last entry, aligned to 32 bytes. The directory begins with the name of
 * its first tensor, whose offset is 0.
 * @param {Buffer} file
 */
function dataStart(file) {
  let at = file.indexOf(Buffer.from('token_embd.weight')) - 8;
  for (let left = Number(file.readBigUInt64LE(8)); left > 0; left--) {
    const name = Number(file.readBigUInt64LE(at));
    const dims = file.readUInt32LE(at + 8 + name);
    at += 8 + name + 4 + 8 * dims + 4 + 8;
  }
  return Math.ceil(at / 32) * 32;
}
