// Vocabularies of a given size: tokens that nobody has trained, but that encode and decode.
import { meta } from '../browser/gguf.js';

/** @typedef {import('./shapes.mjs').Vocabulary} Vocabulary */
/** @typedef {[string, import('../browser/gguf.js').MetadataValue][]} Pairs */

const text = new TextEncoder();
const NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6;

/** The letters that byte-level BPE writes bytes with: itself where a byte prints, else one from 256 on. */
function byteLetters() {
  const prints = (/** @type {number} */ b) => (b > 32 && b < 127) || (b > 160 && b !== 173);
  let other = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(prints(b) ? b : other++));
}

/** Syllables: a consonant and a vowel, behind a space or not. */
function syllables(/** @type {string} */ space) {
  const plain = [...'bcdfghjklmnpqrstvwxz'].flatMap((c) => [...'aeiouy'].map((v) => c + v));
  return { plain, all: [...plain, ...[...'bcdfghjklmnpqrstvwxz'].map((c) => space + c)] };
}

/**
 * Words of two syllables, then of three and four, each with the two parts it is merged of; endless.
 * @param {string} space  as tokens write it
 */
function* words(space) {
  const { plain, all } = syllables(space);
  for (const syllable of all) yield [syllable[0], syllable.slice(1)];
  let before = plain;
  for (;;) {
    const next = [];
    for (const left of before) {
      for (const right of plain) {
        yield [left, right];
        next.push(left + right);
      }
    }
    before = next;
  }
}

/** @param {Pairs} pairs @param {Vocabulary} vocabulary @param {number} first  id of the first special token */
function ids(pairs, { bos, eos, addBos }, first) {
  if (bos !== undefined) pairs.push(['tokenizer.ggml.bos_token_id', meta.u32(first + bos)]);
  pairs.push(['tokenizer.ggml.eos_token_id', meta.u32(first + eos)], ['tokenizer.ggml.add_bos_token', meta.bool(addBos)]);
  pairs.push(['tokenizer.chat_template', meta.string("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n")]);
}

/** @param {Vocabulary} vocabulary @param {number} size */
function byteLevel(vocabulary, size) {
  const { pre = '', special } = vocabulary;
  const tokens = byteLetters();
  const merges = [];
  for (const [left, right] of words('Ġ')) {
    if (tokens.length === size - special.length) break;
    tokens.push(left + right);
    merges.push(`${left} ${right}`);
  }
  const kinds = tokens.map(() => NORMAL);
  const first = tokens.length;
  for (const name of special) {
    tokens.push(name);
    kinds.push(CONTROL);
  }
  /** @type {Pairs} */
  const pairs = [
    ['tokenizer.ggml.model', meta.string('gpt2')], ['tokenizer.ggml.pre', meta.string(pre)], ['tokenizer.ggml.tokens', strings(tokens)],
    ['tokenizer.ggml.token_type', i32s(kinds)], ['tokenizer.ggml.merges', strings(merges)],
  ];
  ids(pairs, vocabulary, first);
  return pairs;
}

/** @param {Vocabulary} vocabulary @param {number} size */
function sentencePiece(vocabulary, size) {
  const tokens = [...vocabulary.special];
  /** @type {number[]} */
  const kinds = tokens.map((name) => (name === '<unk>' ? UNKNOWN : CONTROL));
  for (let b = 0; b < 256; b += 1) {
    tokens.push(`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
    kinds.push(BYTE);
  }
  for (const letter of ['▁', ...'abcdefghijklmnopqrstuvwxyz']) tokens.push(letter);
  for (const [left, right] of words('▁')) {
    if (tokens.length === size) break;
    tokens.push(left + right);
  }
  while (kinds.length < size) kinds.push(NORMAL);
  /** @type {Pairs} */
  const pairs = [
    ['tokenizer.ggml.model', meta.string('llama')], ['tokenizer.ggml.tokens', strings(tokens)],
    ['tokenizer.ggml.scores', f32s(tokens.map((_, id) => -id))], ['tokenizer.ggml.token_type', i32s(kinds)],
    ['tokenizer.ggml.unknown_token_id', meta.u32(tokens.indexOf('<unk>'))],
  ];
  ids(pairs, vocabulary, 0);
  return pairs;
}

/** Metadata of a tokenizer of `size` tokens. @param {Vocabulary} vocabulary @param {number} size */
export const vocabularyPairs = (vocabulary, size) => (vocabulary.model === 'gpt2' ? byteLevel : sentencePiece)(vocabulary, size);

/** An array of metadata from its elements' type and bytes. @param {number} type @param {number} count @param {Uint8Array} bytes */
function array(type, count, bytes) {
  const value = new Uint8Array(12 + bytes.length);
  const view = new DataView(value.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(4, BigInt(count), true);
  value.set(bytes, 12);
  return { type: 9, value };
}

const i32s = (/** @type {number[]} */ values) => array(5, values.length, new Uint8Array(Int32Array.from(values).buffer));
const f32s = (/** @type {number[]} */ values) => array(6, values.length, new Uint8Array(Float32Array.from(values).buffer));

/** `meta.strings` of hundreds of thousands. @param {string[]} values */
function strings(values) {
  const encoded = values.map((value) => text.encode(value));
  const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + 8 + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const value of encoded) {
    view.setBigUint64(at, BigInt(value.length), true);
    bytes.set(value, at + 8);
    at += 8 + value.length;
  }
  return array(8, values.length, bytes);
}
