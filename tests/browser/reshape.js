// The same model in another file, for pages and for Node: read, cut into parts, spread out. Layout: ggml's docs/gguf.md.
import { build, concat, kind, meta, string, u32, u64 } from './gguf.js';

/** @typedef {import('./gguf.js').Parts} Parts */
/** @typedef {{ size: number, extents: { at: number, bytes: Uint8Array }[] }} Sparse  a file that is zero outside of its extents */

const scalarBytes = { [kind.u8]: 1, [kind.i8]: 1, [kind.u16]: 2, [kind.i16]: 2, [kind.u32]: 4, [kind.i32]: 4, [kind.f32]: 4, [kind.bool]: 1, [kind.u64]: 8, [kind.i64]: 8, [kind.f64]: 8 };

/** @param {Uint8Array} file @returns {Parts} */
export function read(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 8;
  const number = () => Number(view.getBigUint64((at += 8) - 8, true));
  const word = () => view.getUint32((at += 4) - 4, true);
  const text = () => { const length = number(); return new TextDecoder().decode(file.subarray(at, (at += length))); };
  /** @param {number} type */
  const skip = (type) => {
    if (type === kind.string) text();
    else if (type === kind.array) { const of = word(); for (let left = number(); left > 0; left -= 1) skip(of); }
    else at += scalarBytes[type];
  };
  const [tensorCount, pairCount] = [number(), number()];
  /** @type {Parts['pairs']} */
  const pairs = Array.from({ length: pairCount }, () => {
    const [key, type, start] = [text(), word(), at];
    skip(type);
    return [key, { type, value: file.slice(start, at) }];
  });
  const entries = Array.from({ length: tensorCount }, () => {
    const name = text();
    const dims = Array.from({ length: word() }, number);
    return { name, dims, type: word(), start: number() };
  });
  const data = Math.ceil(at / 32) * 32;
  const starts = [...entries.map(({ start }) => start), file.length - data].sort((a, b) => a - b);
  const tensors = entries.map(({ name, dims, type, start }) => ({ name, dims, type, data: file.slice(data + start, data + starts[starts.indexOf(start) + 1]) }));
  return { pairs, tensors };
}

/** As gguf-split does it: the first part has all metadata. @param {Parts} parts @param {number} count @returns {Uint8Array[]} */
export function split({ pairs, tensors }, count) {
  const each = Math.ceil(tensors.length / count);
  return Array.from({ length: count }, (_, number) => build({
    pairs: [...(number === 0 ? pairs : []), ['split.no', meta.u32(number)], ['split.count', meta.u32(count)], ['split.tensors.count', meta.u32(tensors.length)]],
    tensors: tensors.slice(number * each, (number + 1) * each),
  }));
}

/**
 * A file with a gap of `gap` bytes in front of tensor `before`.
 * @param {Parts} parts @param {number} before @param {number} gap @param {number} [alignment] @returns {Sparse}
 */
export function spread({ pairs, tensors }, before, gap, alignment = 32) {
  const padded = (/** @type {number} */ bytes) => Math.ceil(bytes / alignment) * alignment;
  let offset = 0;
  const offsets = tensors.map(({ data }, index) => {
    if (index === before) offset += padded(gap);
    return (offset += padded(data.length)) - padded(data.length);
  });
  const all = alignment === 32 ? pairs : [...pairs, /** @type {Parts['pairs'][0]} */ (['general.alignment', meta.u32(alignment)])];
  const header = concat([
    new TextEncoder().encode('GGUF'), u32(3), u64(tensors.length), u64(all.length),
    ...all.flatMap(([key, { type, value }]) => [string(key), u32(type), value]),
    ...tensors.flatMap(({ name, dims, type }, index) => [string(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offsets[index])]),
  ]);
  const start = padded(header.length);
  return { size: start + offset, extents: [{ at: 0, bytes: header }, ...tensors.map(({ data }, index) => ({ at: start + offsets[index], bytes: data }))] };
}

/** Bytes of a sparse file. @param {Sparse} file @param {number} start @param {number} end */
export function bytesOf({ extents }, start, end) {
  const out = new Uint8Array(end - start);
  for (const { at, bytes } of extents) {
    const [from, to] = [Math.max(at, start), Math.min(at + bytes.length, end)];
    if (from < to) out.set(bytes.subarray(from - at, to - at), from - start);
  }
  return out;
}
