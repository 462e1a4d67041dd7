// Files that are wrong in one place each, for pages and for Node: group -> cases. `codes` are the errors that the file
// may meet, in loading or in the first use; 'none' stands for no error at all.
import { build, concat, f32s, kind, meta, random, shape, smallModel, string, type, u32, u64 } from './gguf.js';

/** @typedef {{ name: string, bytes: Uint8Array, codes: string[], options?: Record<string, unknown> }} Case */
/** @typedef {import('./gguf.js').Parts} Parts */

const huge = [2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];
const counts = ['invalid-gguf', 'limit-exceeded'];
const invalidModel = ['invalid-model'];

/** A small model after `change`. @param {string} name @param {string[]} codes @param {(parts: Parts) => void} change @param {Record<string, unknown>} [options] */
function changed(name, codes, change, options) {
  const parts = smallModel();
  change(parts);
  return { name, bytes: build(parts), codes, options };
}

/** @param {Parts} parts @param {string} key @param {import('./gguf.js').MetadataValue | undefined} value  undefined removes it */
function set(parts, key, value) {
  parts.pairs = parts.pairs.filter(([other]) => other !== key);
  if (value !== undefined) parts.pairs.push([key, value]);
}

/** @param {string} key @param {import('./gguf.js').MetadataValue | undefined} value @param {string[]} codes @param {string} [what] */
const keyIs = (key, value, codes, what = value === undefined ? 'missing' : `type ${value.type}, ${Array.from(value.value.slice(0, 12), (byte) => byte.toString(16).padStart(2, '0')).join(' ')}`) =>
  changed(`${key}: ${what}`, codes, (parts) => set(parts, key, value));

/** @param {string} name @param {string} what @param {string[]} codes @param {(tensor: import('./gguf.js').Tensor) => void} change */
const tensorIs = (name, what, codes, change) => changed(`${name}: ${what}`, codes, ({ tensors }) => {
  const tensor = tensors.find((candidate) => candidate.name === `${name}.weight`);
  if (!tensor) throw new Error(`no tensor ${name}`);
  change(tensor);
});

/** @type {Record<string, () => Case[]>} */
export const groups = {
  'the file itself, unchanged': () => [changed('small model', ['none'], () => {})],

  'cut short': () => {
    const whole = build(smallModel());
    const next = random(2);
    const places = [0, 1, 3, 4, 7, 8, 15, 16, 23, 24, 25, 31, 32, ...Array.from({ length: 60 }, () => Math.floor(next() * 2000)), ...Array.from({ length: 20 }, () => Math.floor(next() * whole.length)), whole.length - 1, whole.length - 32];
    return places.map((length) => ({ name: `${length} of ${whole.length} bytes`, bytes: whole.slice(0, length), codes: ['invalid-gguf'] }));
  },

  'the first bytes': () => [
    ...['GGML', 'ggjt', 'PK\x03\x04', '<!do', '\0\0\0\0'].map((magic) => changed(`magic ${JSON.stringify(magic)}`, ['invalid-gguf'], (parts) => { parts.magic = magic; })),
    ...[0, 1, 4, 0x0300_0000, 0x0200_0000, 0xffff_ffff].map((version) => changed(`version ${version}`, ['invalid-gguf'], (parts) => { parts.version = version; })),
    { name: 'an HTML page', bytes: new TextEncoder().encode('<!doctype html><title>404</title>'.repeat(100)), codes: ['invalid-gguf'] },
    { name: 'zeros', bytes: new Uint8Array(100_000), codes: ['invalid-gguf'] },
  ],

  'absurd counts': () => huge.flatMap((count) => [
    changed(`${count} tensors`, counts, (parts) => { parts.tensorCount = count; }),
    changed(`${count} pairs`, counts, (parts) => { parts.pairCount = count; }),
    keyIs('general.name', { type: kind.string, value: string('x', count) }, counts, `a string of ${count} bytes`),
    ...[kind.u8, kind.f64, kind.string, kind.array].map((of) =>
      keyIs('x', { type: kind.array, value: concat([u32(of), u64(count)]) }, counts, `an array of ${count} of type ${of}`)),
    tensorIs('token_embd', `${count} rows`, ['invalid-gguf', 'invalid-model', 'limit-exceeded'], (tensor) => { tensor.dims = [shape.width, count]; }),
    tensorIs('token_embd', `${count} columns`, ['invalid-gguf', 'invalid-model', 'limit-exceeded'], (tensor) => { tensor.dims = [count, 2]; }),
    tensorIs('token_embd', `at ${count}`, ['invalid-gguf'], (tensor) => { tensor.offset = count; }),
  ]),

  'metadata': () => [
    ...[13, 99, 0xffff_ffff].map((of) => keyIs('x', { type: of, value: new Uint8Array(8) }, ['invalid-gguf', 'unsupported-type'])),
    keyIs('x', { type: kind.array, value: concat([u32(13), u64(1), new Uint8Array(8)]) }, ['invalid-gguf', 'unsupported-type'], 'an array of an unknown type'),
    keyIs('x', { type: kind.array, value: concat(Array.from({ length: 1000 }, () => concat([u32(kind.array), u64(1)]))) }, counts, 'arrays in arrays'),
    keyIs('general.name', meta.string(Uint8Array.of(0xff, 0xfe, 0xc0)), ['invalid-gguf'], 'bad UTF-8'),
    changed('a key of bad UTF-8', ['invalid-gguf'], ({ pairs }) => { pairs.push([Uint8Array.of(0xc3, 0x28), meta.u32(1)]); }),
    changed('a key twice', ['invalid-gguf'], ({ pairs }) => { pairs.push(['general.name', meta.string('again')]); }),
    changed('a key of 100,000 bytes', counts, ({ pairs }) => { pairs.push(['k'.repeat(100_000), meta.u32(1)]); }),
    ...[0, 3, 7, 33, 2 ** 31].map((value) => keyIs('general.alignment', meta.u32(value), counts)),
    keyIs('general.alignment', meta.string('32'), [...counts, 'invalid-model']),
    keyIs('general.architecture', undefined, [...invalidModel, 'unsupported-architecture']),
    keyIs('general.architecture', meta.u32(7), invalidModel),
    keyIs('general.architecture', meta.string('gpt-9'), ['unsupported-architecture']),
    keyIs('general.architecture', meta.string(''), ['unsupported-architecture']),
  ],

  'configuration': () => [
    ...['block_count', 'context_length', 'embedding_length', 'feed_forward_length', 'attention.head_count'].flatMap((key) => [
      keyIs(`llama.${key}`, undefined, invalidModel),
      ...[0, 2 ** 31, 2 ** 32 - 1].map((value) => keyIs(`llama.${key}`, meta.u32(value), invalidModel)),
      ...[2n ** 53n, 2n ** 63n, 2n ** 64n - 1n].map((value) => keyIs(`llama.${key}`, meta.u64(value), invalidModel)),
      keyIs(`llama.${key}`, meta.string('many'), invalidModel),
      keyIs(`llama.${key}`, meta.f32(NaN), invalidModel),
    ]),
    ...[2, 1000].map((value) => keyIs('llama.block_count', meta.u32(value), invalidModel)),
    ...[3, 5, 31, 32, 1000].map((value) => keyIs('llama.attention.head_count', meta.u32(value), invalidModel)),
    ...[0, 3, 4, 2 ** 31].map((value) => keyIs('llama.attention.head_count_kv', meta.u32(value), invalidModel)),
    ...[0, 15, 300, 2 ** 31].flatMap((value) => ['key', 'value'].map((which) => keyIs(`llama.attention.${which}_length`, meta.u32(value), invalidModel))),
    ...[0, -1, NaN, Infinity].map((value) => keyIs('llama.attention.layer_norm_rms_epsilon', meta.f32(value), invalidModel)),
    ...[0, -1, NaN, Infinity].map((value) => keyIs('llama.rope.freq_base', meta.f32(value), invalidModel)),
    ...[0, 15, 18, 2 ** 31].map((value) => keyIs('llama.rope.dimension_count', meta.u32(value), invalidModel)),
    keyIs('llama.rope.scaling.type', meta.string('elastic'), ['unsupported-architecture', 'invalid-model']),
    keyIs('llama.expert_count', meta.u32(8), ['unsupported-architecture', 'invalid-model']),
    // positions x rotated elements x 4 bytes; keys and values take no memory before they are there
    changed('a table of rotations of 16 GiB', ['out-of-memory', 'limit-exceeded'], (parts) => {
      const { width, heads, kvHeads } = shape;
      for (const key of ['attention.key_length', 'attention.value_length', 'rope.dimension_count']) set(parts, `llama.${key}`, meta.u32(256));
      set(parts, 'llama.context_length', meta.u32(2 ** 24));
      const dims = { attn_q: [width, heads * 256], attn_k: [width, kvHeads * 256], attn_v: [width, kvHeads * 256], attn_output: [heads * 256, width] };
      for (const [name, [columns, rows]] of Object.entries(dims)) {
        const tensor = parts.tensors.find((candidate) => candidate.name === `blk.0.${name}.weight`);
        if (!tensor) throw new Error(`no tensor ${name}`);
        [tensor.dims, tensor.data] = [[columns, rows], f32s(new Float32Array(columns * rows))];
      }
    }, { contextLength: 2 ** 24 }),
    changed('a context longer than the model knows', ['invalid-argument'], () => {}, { contextLength: shape.context + 1 }),
  ],

  'tensors': () => [
    ...smallModel().tensors.map((tensor) => changed(`without ${tensor.name}`, invalidModel, (parts) => { parts.tensors = parts.tensors.filter(({ name }) => name !== tensor.name); })),
    ...smallModel().tensors.map(({ name }) => String(name).replace('.weight', '')).flatMap((name) => [
      tensorIs(name, 'half of it', ['invalid-model'], (tensor) => { tensor.dims = [...tensor.dims.slice(0, -1), Number(tensor.dims.at(-1)) / 2]; }),
      tensorIs(name, 'three dimensions', ['invalid-model', 'invalid-gguf'], (tensor) => { tensor.dims = [2, 2, 2]; }),
    ]).filter(({ name }) => name !== 'token_embd: half of it'), // then the vocabulary is smaller: the tokenizer's matter
    changed('no tensors at all', invalidModel, (parts) => { parts.tensors = []; }),
    changed('one too many', ['unsupported-architecture', ...invalidModel], ({ tensors }) => { tensors.push({ ...tensors[1], name: 'blk.0.attn_q.gamma' }); }),
    changed('one of a layer that is not there', ['unsupported-architecture', ...invalidModel], ({ tensors }) => { tensors.push({ ...tensors[1], name: 'blk.1.attn_norm.weight' }); }),
    changed('one twice', ['invalid-gguf'], ({ tensors }) => { tensors.push({ ...tensors[1] }); }),
    changed('a name of bad UTF-8', ['invalid-gguf'], ({ tensors }) => { tensors.push({ ...tensors[1], name: Uint8Array.of(0xff) }); }),
    changed('a name of 10,000 bytes', counts, ({ tensors }) => { tensors.push({ ...tensors[1], name: 'n'.repeat(10_000) }); }),
    tensorIs('output_norm', 'over another', ['invalid-gguf'], (tensor) => { tensor.offset = 0; }),
    tensorIs('output_norm', 'not aligned', ['invalid-gguf'], (tensor) => { tensor.offset = 1537; }),
    tensorIs('blk.0.ffn_down', 'one row beyond the file', ['invalid-gguf'], (tensor) => { tensor.dims = [64, 33]; }),
    ...[[], [1, 1, 1, 1, 1], [0], [0, 32], [32, 0]].map((dims) => tensorIs('output_norm', `dimensions ${JSON.stringify(dims)}`, ['invalid-gguf'], (tensor) => { tensor.dims = dims; })),
    ...[4, 5, 31, 99, 999, 0xffff_ffff].map((id) => tensorIs('blk.0.attn_q', `type ${id}`, ['unsupported-type'], (tensor) => { tensor.type = id; })),
    tensorIs('blk.0.attn_q', 'rows that are not whole blocks', ['invalid-gguf'], (tensor) => { [tensor.type, tensor.dims] = [type.Q8_0, [33, 32]]; }),
  ],

  'a tokenizer that is wrong': () => {
    const codes = ['none', 'invalid-model', 'unsupported-tokenizer'];
    return [
      keyIs('tokenizer.ggml.model', meta.string('word-of-mouth'), codes),
      keyIs('tokenizer.ggml.model', undefined, codes),
      keyIs('tokenizer.ggml.pre', meta.string('unheard-of'), codes),
      keyIs('tokenizer.ggml.tokens', undefined, codes),
      keyIs('tokenizer.ggml.tokens', meta.strings([]), codes),
      keyIs('tokenizer.ggml.tokens', meta.u32s([1, 2]), codes),
      keyIs('tokenizer.ggml.tokens', meta.strings(Array.from({ length: 1000 }, (_, index) => `t${index}`)), codes, 'more than the embedding table has'),
      keyIs('tokenizer.ggml.tokens', meta.strings(['a', 'a', 'a']), codes, 'the same thrice'),
      keyIs('tokenizer.ggml.tokens', meta.strings(['<s>', '</s>', '', ' ', 'é\0', 'b']), codes, 'an empty one'),
      keyIs('tokenizer.ggml.token_type', meta.u32s([9, 77, 2 ** 32 - 1]), codes),
      ...[['a'], ['a b c'], [''], [' '], ['x y'], ['a b', 'a b']].map((merges) => keyIs('tokenizer.ggml.merges', meta.strings(merges), codes, JSON.stringify(merges))),
      ...['bos', 'eos', 'eot', 'unknown'].flatMap((which) => [12, 2 ** 31, 2 ** 32 - 2].map((id) => keyIs(`tokenizer.ggml.${which}_token_id`, meta.u32(id), codes))),
      keyIs('tokenizer.ggml.bos_token_id', meta.string('<s>'), codes),
      keyIs('tokenizer.ggml.add_bos_token', meta.u32(1), codes),
    ];
  },

  'a chat template that is wrong': () => [
    ['does not parse', '{% if %}'],
    ['never ends', '{% for a in range(99999999) %}{% for b in range(99999999) %}x{% endfor %}{% endfor %}'],
    ['calls itself', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}'],
    ['nests deeply', `${'{% if true %}'.repeat(5000)}${'{% endif %}'.repeat(5000)}`],
    ['nests brackets deeply', `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`],
    ['divides by zero', '{{ 1 // 0 }}'],
    ['multiplies a string', "{{ 'x' * 4000000000 }}"],
    ['refuses', "{{ raise_exception('no') }}"],
  ].map(([what, source]) => keyIs('tokenizer.chat_template', meta.string(source), ['chat-template'], what)),

  'a chat template that fills the memory': () => [
    keyIs('tokenizer.chat_template', meta.string("{% set ns = namespace(s='x') %}{% for a in range(90) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}"), ['chat-template'], 'doubles a string'),
  ],

  'weights that are no numbers': () => [NaN, Infinity, -Infinity].flatMap((value) =>
    ['token_embd', 'output_norm', 'blk.0.attn_q', 'blk.0.ffn_down'].map((name) =>
      tensorIs(name, String(value), ['not-finite'], (tensor) => { tensor.data = f32s(Array.from({ length: tensor.data.length / 4 }, () => value)); }))),
};

/** Anything but these may come of a file with one byte changed. */
export const bugs = ['worker-failed', 'internal', 'aborted', 'closed', 'timeout', 'unsupported-environment', 'network', 'storage'];

/**
 * Copies of `whole` with one byte changed; every other change is before `headerEnd`, where it hurts.
 * @param {Uint8Array} whole @param {number} count @param {number} seed @param {number} headerEnd
 */
export function* flipped(whole, count, seed, headerEnd) {
  const next = random(seed);
  for (let index = 0; index < count; index += 1) {
    const at = Math.floor(next() * (index % 2 === 0 ? headerEnd : whole.length));
    const mask = 1 + Math.floor(next() * 255);
    const bytes = whole.slice();
    bytes[at] ^= mask;
    yield { name: `byte ${at} ^ ${mask}`, bytes, codes: [], options: {} };
  }
}
