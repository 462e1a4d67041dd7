// Generations that are held to a grammar: the turn over a fake engine and a fake source of grammars, and the source over the module.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import { Grammars } from '../build/grammar.js';
import { loadInto } from '../build/load.js';
import { Engine, state } from './fake-engine.js';
import { Port } from './port.js';

const info = { architecture: 'fake', name: '', parameters: 1, quantisation: 'F32', contextLength: 64, vocabularySize: 65536, bytes: 0 };
const timings = { compileMs: 0, readMs: 1, uploadMs: 0 };
const ports = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.terminate();
  Object.assign(state, { starts: [], stops: 0, uses: Infinity });
});

/** A grammar is the texts that may follow each other, one character of each: 'ab|c' is 'a' or 'b', then 'c'. */
class FakeGrammars {
  log = [];
  async ready() {
    this.log.push('ready');
    if (this.failure) throw this.failure;
  }
  open(engine, { kind, text }) {
    this.log.push(`open ${kind}, ${engine.packedVocabulary().length} bytes`);
    const steps = text === '' ? [] : text.split('|');
    return {
      mask: () => {
        if (steps.length === 0) return undefined;
        if (steps[0] === '!') throw Object.assign(new Error('too much'), { code: 'limit-exceeded' });
        const words = new Uint32Array(2048);
        for (const character of steps[0]) words[character.charCodeAt(0) >> 5] |= 1 << (character.charCodeAt(0) & 31);
        return words;
      },
      accept: (token) => {
        assert.ok(steps.shift().includes(String.fromCharCode(token)));
        this.log.push(String.fromCharCode(token));
      },
    };
  }
}

async function connect({ after = () => ({}), options } = {}) {
  const grammars = new FakeGrammars();
  let loads = 0;
  const loadModel = async () => {
    if (loads++ > 0) await after();
    return { engine: new Engine({ backend: 'webgpu', fileBytes: 0 }, 0), result: { info: { ...info, backend: 'webgpu' }, fromCache: false, loadMs: 1, timings } };
  };
  const model = await loadInto(() => {
    const port = new Port(loadModel, grammars);
    ports.push(port);
    return port;
  }, 'http://example.org/m.gguf', { backend: 'webgpu', ...options });
  return { model, grammars };
}

test('tokens are told to the grammar, and it ends when the grammar does', async () => {
  const { model, grammars } = await connect();
  const { text, reason, tokens } = await model.generate('dcba', { grammar: { regex: 'b|cd' } }).result();
  assert.deepEqual([text, reason, tokens.length], ['bc', 'stop', 2]);
  assert.deepEqual(grammars.log, ['ready', 'open regex, 3 bytes', 'b', 'c']);
  assert.equal(state.starts[0].options.constrained, true);
  assert.equal('grammar' in state.starts[0].options, false);
  assert.equal(state.stops, 1); // the engine is ready for the next one
  assert.equal(await model.generate('ok').text(), 'ko\x01');
  assert.equal('constrained' in state.starts[1].options, false);
});

test('what was held back comes with the end', async () => {
  const { model } = await connect();
  assert.equal(await model.generate('~a', { grammar: { regex: 'a|~' } }).text(), 'a~');
});

test('an empty grammar is an empty answer, and maxTokens cuts', async () => {
  const { model } = await connect();
  const empty = await model.generate('ab', { grammar: { regex: '' } }).result();
  assert.deepEqual([empty.text, empty.reason], ['', 'stop']);
  const cut = await model.generate('cba', { grammar: { regex: 'a|b|c' }, maxTokens: 2 }).result();
  assert.deepEqual([cut.text, cut.reason], ['ab', 'length']);
});

test('a grammar that fails fails the generation, at once or later, and nothing else', async () => {
  const { model, grammars } = await connect();
  for (const regex of ['!', 'a|!']) {
    await assert.rejects(model.generate('ba', { grammar: { regex } }).result(), { code: 'limit-exceeded' });
  }
  grammars.failure = Object.assign(new Error('offline'), { code: 'network' });
  await assert.rejects(model.generate('ba', { grammar: { regex: 'a' } }).result(), { code: 'network' });
  assert.equal(await model.generate('ok').text(), 'ko\x01');
});

for (let uses = 0; uses <= 4; uses += 1) {
  test(`a device that is lost after ${uses} uses does not change the answer`, async () => {
    const { model, grammars } = await connect({ after: () => { state.uses = Infinity; } });
    state.uses = uses;
    const { text, reason } = await model.generate('dcba', { grammar: { regex: 'ab|bc|cd' } }).result();
    assert.deepEqual([text, reason], ['abc', 'stop']);
    assert.deepEqual(grammars.log.slice(2), ['a', 'b', 'c']);
  });
}

const file = new URL('../dist/wasm/pagelm_grammar.wasm', import.meta.url);
const built = { skip: existsSync(file) ? false : 'pagelm_grammar.wasm is not built' };

/** Tokens as the engine packs them: the last one is the end. */
function packed(tokens) {
  const texts = tokens.map((text) => new TextEncoder().encode(text));
  const words = [texts.length, 1, texts.length - 1, ...texts.map((text, id) => (id === texts.length - 1 ? text.length + 2 ** 31 : text.length))];
  return Uint8Array.from([...new Uint8Array(Uint32Array.from(words).buffer), ...texts.flatMap((text) => [...text])]);
}

async function ready(vocabulary, count = {}) {
  const grammars = new Grammars(async () => {
    count.fetched = (count.fetched ?? 0) + 1;
    return new WebAssembly.Module(readFileSync(file));
  });
  await grammars.ready();
  const engine = { packedVocabulary: () => { count.packed = (count.packed ?? 0) + 1; return vocabulary; } };
  return (kind, text) => grammars.open(engine, { kind, text });
}

const VOCABULARY = packed(['y', 'es', 'no', 'yes', '{', '}', '"a"', ':', '1', '</s>']);

test('the module: masks, and the end', built, async () => {
  const count = {};
  const open = await ready(VOCABULARY, count);
  const yes = open('regex', 'yes|no');
  assert.deepEqual([...yes.mask()], [0b1101]);
  yes.accept(0);
  assert.deepEqual([...yes.mask()], [0b10]);
  yes.accept(1);
  assert.equal(yes.mask(), undefined);
  const object = open('jsonSchema', '{"type":"object","properties":{"a":{"const":1}},"required":["a"],"additionalProperties":false}');
  for (const token of [4, 6, 7, 8, 5]) {
    assert.equal(object.mask()[0], 1 << token);
    object.accept(token);
  }
  assert.equal(object.mask(), undefined);
  assert.deepEqual([...open('lark', 'start: "y"+').mask()], [1]);
  assert.deepEqual(count, { fetched: 1, packed: 1 });
});

test('the module: what is refused', built, async () => {
  const open = await ready(VOCABULARY);
  assert.throws(() => open('regex', '('), { code: 'invalid-argument', message: /unclosed group/ });
  assert.throws(() => open('jsonSchema', '{'), { code: 'invalid-argument', message: /not JSON/ });
  assert.throws(() => open('regex', 'x').mask(), { code: 'invalid-argument', message: /vocabulary/ });
  assert.throws(() => open('regex', 'y').accept(2), { code: 'invalid-argument' });
  assert.throws(() => open('regex', 'a'.repeat(300_000)), { code: 'limit-exceeded', message: /300000 bytes; it can have 262144/ });
  const broken = await ready(VOCABULARY.slice(0, 9));
  assert.throws(() => broken('regex', 'y'), { code: 'invalid-argument', message: /vocabulary/ });
});

test('the module: one that has stopped is thrown away', built, async () => {
  const count = {};
  const open = await ready(VOCABULARY, count);
  // rules that lead to one another, until the stack is used up
  const chain = Array.from({ length: 9000 }, (_, i) => `a${i}: a${i + 1} | "y"`).join('\n');
  assert.throws(() => open('lark', `start: a0\n${chain}\na9000: "y"`), { code: 'limit-exceeded', message: /stopped/ });
  assert.deepEqual([...open('regex', 'yes').mask()], [0b1001]);
  assert.deepEqual(count, { fetched: 1, packed: 2 });
});
