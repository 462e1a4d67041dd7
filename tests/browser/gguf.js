// GGUF files from parts, right or wrong, for pages and for Node. Layout: ggml's docs/gguf.md.

/** Numbers of the types of metadata. */
export const kind = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12 };
/** Numbers of some types of tensors. */
export const type = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 8 };

/** @typedef {{ type: number, value: Uint8Array }} MetadataValue */
/** @typedef {{ name: string | Uint8Array, dims: (number | bigint)[], type: number, offset?: bigint | number, data: Uint8Array }} Tensor  `offset`: into the data, by default where the data is put */
/**
 * @typedef {object} Parts
 * @property {string} [magic]
 * @property {number} [version]
 * @property {[string | Uint8Array, MetadataValue][]} pairs
 * @property {Tensor[]} tensors
 * @property {bigint} [pairCount]    instead of the true one
 * @property {bigint} [tensorCount]  instead of the true one
 */

const text = new TextEncoder();
/** @type {(bytes: number, set: (view: DataView) => void) => Uint8Array} */
const little = (bytes, set) => {
  const view = new DataView(new ArrayBuffer(bytes));
  set(view);
  return new Uint8Array(view.buffer);
};
export const u32 = (/** @type {number} */ value) => little(4, (view) => view.setUint32(0, value, true));
export const u64 = (/** @type {number | bigint} */ value) => little(8, (view) => view.setBigUint64(0, BigInt(value), true));
export const f32s = (/** @type {ArrayLike<number>} */ values) => new Uint8Array(Float32Array.from(values).buffer);

/** @param {Uint8Array[]} parts */
export function concat(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A length and bytes; the length may be a lie. @param {string | Uint8Array} value @param {bigint | number} [length] */
export function string(value, length) {
  const bytes = typeof value === 'string' ? text.encode(value) : value;
  return concat([u64(length ?? bytes.length), bytes]);
}

/** Metadata values. */
export const meta = {
  u32: (/** @type {number} */ value) => ({ type: kind.u32, value: u32(value) }),
  u64: (/** @type {number | bigint} */ value) => ({ type: kind.u64, value: u64(value) }),
  f32: (/** @type {number} */ value) => ({ type: kind.f32, value: f32s([value]) }),
  bool: (/** @type {boolean} */ value) => ({ type: kind.bool, value: Uint8Array.of(Number(value)) }),
  string: (/** @type {string | Uint8Array} */ value) => ({ type: kind.string, value: string(value) }),
  strings: (/** @type {string[]} */ values) => ({ type: kind.array, value: concat([u32(kind.string), u64(values.length), ...values.map((value) => string(value))]) }),
  u32s: (/** @type {number[]} */ values) => ({ type: kind.array, value: concat([u32(kind.u32), u64(values.length), ...values.map(u32)]) }),
};

/** @param {number} bytes */
const padding = (bytes) => new Uint8Array((32 - (bytes % 32)) % 32);

/** @param {Parts} parts */
export function build({ magic = 'GGUF', version = 3, pairs, tensors, pairCount, tensorCount }) {
  const head = [text.encode(magic), u32(version), u64(tensorCount ?? tensors.length), u64(pairCount ?? pairs.length)];
  for (const [key, { type: id, value }] of pairs) head.push(string(key), u32(id), value);
  const data = [];
  let offset = 0;
  for (const tensor of tensors) {
    head.push(string(tensor.name), u32(tensor.dims.length), ...tensor.dims.map(u64), u32(tensor.type), u64(tensor.offset ?? offset));
    data.push(tensor.data, padding(tensor.data.length));
    offset += tensor.data.length + padding(tensor.data.length).length;
  }
  const header = concat(head);
  return concat([header, padding(header.length), ...data]);
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). @param {number} seed */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const shape = { width: 32, hidden: 64, layers: 1, heads: 2, kvHeads: 1, headDim: 16, vocabulary: 12, context: 64 };

/**
 * A whole model, as parts: llama of one layer, float32, with a byte-level tokenizer of `shape.vocabulary` tokens.
 * @returns {Parts}
 */
export function smallModel() {
  const { width, hidden, layers, heads, kvHeads, headDim, vocabulary, context } = shape;
  const next = random(1);
  /** @param {string} name @param {number[]} dims */
  const tensor = (name, ...dims) => ({
    name: `${name}.weight`,
    dims,
    type: type.F32,
    data: f32s(Array.from({ length: dims.reduce((a, b) => a * b) }, () => (dims.length === 1 ? 1 : next() - 0.5))),
  });
  const tokens = ['<s>', '</s>', ...'abcdefghij'].slice(0, vocabulary);
  return {
    pairs: [
      ['general.architecture', meta.string('llama')],
      ['general.name', meta.string('small')],
      ['llama.block_count', meta.u32(layers)],
      ['llama.context_length', meta.u32(context)],
      ['llama.embedding_length', meta.u32(width)],
      ['llama.feed_forward_length', meta.u32(hidden)],
      ['llama.attention.head_count', meta.u32(heads)],
      ['llama.attention.head_count_kv', meta.u32(kvHeads)],
      ['llama.attention.layer_norm_rms_epsilon', meta.f32(1e-5)],
      ['llama.rope.dimension_count', meta.u32(headDim)],
      ['llama.rope.freq_base', meta.f32(10_000)],
      ['tokenizer.ggml.model', meta.string('gpt2')],
      ['tokenizer.ggml.pre', meta.string('llama-bpe')],
      ['tokenizer.ggml.tokens', meta.strings(tokens)],
      ['tokenizer.ggml.token_type', meta.u32s(tokens.map((_, index) => (index < 2 ? 3 : 1)))],
      ['tokenizer.ggml.merges', meta.strings([])],
      ['tokenizer.ggml.bos_token_id', meta.u32(0)],
      ['tokenizer.ggml.eos_token_id', meta.u32(1)],
    ],
    tensors: [
      tensor('token_embd', width, vocabulary),
      tensor('output_norm', width),
      ...Array.from({ length: layers }, (_, layer) => [
        tensor(`blk.${layer}.attn_norm`, width),
        tensor(`blk.${layer}.attn_q`, width, heads * headDim),
        tensor(`blk.${layer}.attn_k`, width, kvHeads * headDim),
        tensor(`blk.${layer}.attn_v`, width, kvHeads * headDim),
        tensor(`blk.${layer}.attn_output`, heads * headDim, width),
        tensor(`blk.${layer}.ffn_norm`, width),
        tensor(`blk.${layer}.ffn_gate`, width, hidden),
        tensor(`blk.${layer}.ffn_up`, width, hidden),
        tensor(`blk.${layer}.ffn_down`, hidden, width),
      ]).flat(),
    ],
  };
}

/** What {@link scriptedModel} starts after. */
export const go = '<|go|>';

/**
 * A model that says `pieces` one after the other after {@link go}, and then ends. Each token's embedding is a direction of its
 * own, attention and feed-forward add nothing, and the output looks up who follows. Pieces must differ, and are written in
 * the letters of a byte-level vocabulary; one in `special` is a control token.
 * @param {string[]} pieces @param {{ special?: string[], template?: string }} [options]
 * @returns {Parts}
 */
export function scriptedModel(pieces, { special = [], template = `{% if tools %}{% endif %}${go}` } = {}) {
  const { pairs, tensors } = smallModel();
  const tokens = ['<s>', '</s>', go, ...pieces];
  const order = [2, ...pieces.map((_, index) => index + 3), 1];
  const vocabulary = tokens.length;
  if (vocabulary > shape.width) throw new Error(`${vocabulary} tokens, ${shape.width} have room`);
  /** @param {[number, number][]} ones  row and column of each */
  const table = (ones) => {
    const values = new Float32Array(shape.width * vocabulary);
    for (const [row, column] of ones) values[row * shape.width + column] = 1;
    return f32s(values);
  };
  const dims = [shape.width, vocabulary];
  const own = new Map([
    ['tokenizer.ggml.tokens', meta.strings(tokens)],
    ['tokenizer.ggml.token_type', meta.u32s(tokens.map((token, index) => (index < 3 || special.includes(token) ? 3 : 1)))],
  ]);
  return {
    pairs: [...pairs.map(([key, value]) => /** @type {[string, MetadataValue]} */ ([key, own.get(String(key)) ?? value])), ['tokenizer.chat_template', meta.string(template)]],
    tensors: [
      { name: 'token_embd.weight', dims, type: type.F32, data: table(tokens.map((_, id) => [id, id])) },
      { name: 'output.weight', dims, type: type.F32, data: table(order.slice(1).map((id, index) => [id, order[index]])) },
      ...tensors.slice(1).map((tensor) => (tensor.dims.length === 1 ? tensor : { ...tensor, data: new Uint8Array(tensor.data.length) })),
    ],
  };
}
