// Runs in the page: what a generation with a grammar promises, with any small model. Their weights are random, so that only the
// grammar can be the reason for an answer that fits.
import { load } from '/pkg/dist/index.js';
import { build, go, scriptedModel } from './gguf.js';
import { equal, fails, failure, holds } from './in-page.js';
import { fits } from './schema.js';

/** @typedef {import('../../pkg/dist/types.d.ts').Model} Model */
/** @typedef {import('../../pkg/dist/types.d.ts').GenerateOptions} Options */

const prompt = [40, 41, 42];
const messages = [{ role: /** @type {const} */ ('user'), content: 'Say something.' }];

/** @type {Model} */
let model;
/** @type {{ url: string, backend: string }} */
let source;
/** The text of each token behind another one. @type {string[]} */
let texts;

/** @param {{ url: string, backend: string }} from */
export async function start(from) {
  source = from;
  model = await load(from.url, /** @type {any} */ ({ backend: from.backend, cache: 'none', contextLength: 1024 }));
  const before = await model.detokenize([prompt[0]]);
  texts = [];
  for (let id = 0; id < model.info.vocabularySize; id++) texts.push((await model.detokenize([prompt[0], id])).slice(before.length));
  return { info: model.info, names: Object.keys(cases) };
}

/** @param {string} name */
export const run = (name) => cases[name]();

/** @param {Options['grammar']} grammar @param {Options} [options] */
const answer = (grammar, options) => model.generate(prompt, { maxTokens: 400, ...options, grammar }).result();

const person = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 8 }, age: { type: 'integer', minimum: 0, maximum: 150 } },
  required: ['name', 'age'],
  additionalProperties: false,
};
const schemas = {
  person,
  colours: { type: 'array', items: { enum: ['red', 'green', 'blue'] }, minItems: 2, maxItems: 4 },
  nested: {
    type: 'object',
    properties: {
      ok: { type: 'boolean' },
      owner: { $ref: '#/$defs/person' },
      note: { anyOf: [{ type: 'null' }, { type: 'string', maxLength: 5 }] },
      points: { type: 'array', items: { type: 'integer', minimum: -20, maximum: 20 }, maxItems: 3 },
    },
    required: ['ok', 'owner', 'points'],
    additionalProperties: false,
    $defs: { person },
  },
  constant: { const: { a: [1, null, 'é"\n'] } },
};

/**
 * Of WebGPU there are only emulations here, which take their time.
 * @template T @param {T[]} all
 */
const some = (all) => (source.backend === 'webgpu' ? all.slice(0, 2) : all);

const ways = [{}, { temperature: 1, seed: 1 }, { temperature: 1.5, seed: 2, topK: 20 }, { temperature: 2, seed: 3, topP: 0.9 }, { temperature: 1, seed: 4, minP: 0.02, frequencyPenalty: 0.5 }];

/** What takes more than it may, or is none; each fails with the code. @type {[string, 'invalid-argument' | 'limit-exceeded', any][]} */
const refused = [
  ['no group end', 'invalid-argument', { regex: '(' }],
  ['look-ahead', 'invalid-argument', { regex: '(?=a)b' }],
  ['back-reference', 'invalid-argument', { regex: '(a)\\1' }],
  ['stars', 'limit-exceeded', { regex: `a${'*'.repeat(100_000)}` }],
  ['a long one', 'limit-exceeded', { regex: 'a'.repeat(300_000) }],
  ['deep groups', 'limit-exceeded', { regex: `${'('.repeat(5000)}a${')'.repeat(5000)}` }],
  ['an unknown type', 'invalid-argument', { jsonSchema: { type: 'banana' } }],
  ['nothing', 'invalid-argument', { jsonSchema: false }],
  ['no text is that long', 'invalid-argument', { jsonSchema: { type: 'string', minLength: 5, maxLength: 2 } }],
  ['a reference to elsewhere', 'invalid-argument', { jsonSchema: { $ref: 'https://example.org/a.json' } }],
  ['a reference to nothing', 'invalid-argument', { jsonSchema: { $ref: '#/$defs/missing' } }],
  ['a reference to itself', 'invalid-argument', { jsonSchema: { $ref: '#' } }],
  ['references in a circle', 'invalid-argument', { jsonSchema: { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } } }],
  ['nested deeply', 'limit-exceeded', { jsonSchema: Array.from({ length: 500 }).reduce((inner) => ({ properties: { a: inner } }), {}) }],
  ['thousands of properties', 'limit-exceeded', { jsonSchema: { properties: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`p${i}`, {}])) } }],
  ['cases of cases', 'limit-exceeded', {
    jsonSchema: { type: 'integer', allOf: Array.from({ length: 30 }, (_, i) => ({ anyOf: [{ minimum: i }, { maximum: 1000 - i }, { multipleOf: i + 2 }] })) },
  }],
  ['a large multiple', 'limit-exceeded', { jsonSchema: { type: 'integer', multipleOf: 1000003, minimum: 1, maximum: 999999999999 } }],
  ['no start', 'invalid-argument', { lark: 'a: "x"' }],
  ['an unknown rule', 'invalid-argument', { lark: 'start: other' }],
  ['a rule of itself', 'invalid-argument', { lark: 'start: start' }],
  ['a terminal that doubles', 'limit-exceeded', { lark: `start: A0\n${Array.from({ length: 40 }, (_, i) => `A${i}: A${i + 1} A${i + 1}`).join('\n')}\nA40: "x"` }],
  ['a chain of rules that no stack holds', 'limit-exceeded', { lark: `start: a0\n${Array.from({ length: 9000 }, (_, i) => `a${i}: a${i + 1} | "x"`).join('\n')}\na9000: "y"` }],
];

/** @type {Record<string, () => Promise<void>>} */
const cases = {
  async 'schemas: every answer is JSON and fits'() {
    let ended = 0;
    for (const [name, jsonSchema] of some(Object.entries(schemas))) {
      for (const way of some(ways)) {
        const { text, reason } = await answer({ jsonSchema }, way);
        holds(reason === 'stop', `${name}, ${JSON.stringify(way)}: ended with ${reason}: ${text}`);
        holds(fits(JSON.parse(text), jsonSchema, jsonSchema), `${name}, ${JSON.stringify(way)}: ${text}`);
        ended += 1;
      }
    }
    equal(ended, source.backend === 'webgpu' ? 4 : 20);
  },

  async 'any JSON, regular expressions and Lark'() {
    for (const way of some(ways)) {
      const { text, reason } = await answer({ json: true }, { ...way, maxTokens: 20 });
      if (reason === 'stop') JSON.parse(text);
      else equal(reason, 'length');
      const date = await answer({ regex: '20[0-9]{2}-(0[1-9]|1[0-2])' }, way);
      holds(/^20[0-9]{2}-(0[1-9]|1[0-2])$/.test(date.text) && date.reason === 'stop', `a date: ${JSON.stringify(date.text)}`);
      const words = await answer({ lark: 'start: (WORD ";"){3}\nWORD: /[a-z]{1,4}/' }, way);
      holds(/^([a-z]{1,4};){3}$/.test(words.text) && words.reason === 'stop', `words: ${JSON.stringify(words.text)}`);
    }
    equal([(await answer({ regex: 'ab' })).text, (await answer({ regex: 'naïve 🦜' })).text], ['ab', 'naïve 🦜']);
    const { text, reason, tokens } = await answer({ regex: '' });
    equal([text, reason, tokens], ['', 'stop', []]);
  },

  // Without the module of grammars: which tokens may come next is known of this expression by their text alone.
  async 'a greedy answer is that of all logits, masked'() {
    const length = 14;
    const { text, tokens, reason } = await answer({ regex: `[a-z ]{${length}}` });
    equal([text.length, reason], [length, 'stop'], text);
    let left = length;
    let free = 0;
    for (const [index, token] of tokens.entries()) {
      const logits = await model.logits([...prompt, ...tokens.slice(0, index)]);
      const may = (/** @type {number} */ id) => /^[a-z ]+$/.test(texts[id]) && texts[id].length <= left;
      const best = logits.reduce((most, logit, id) => (may(id) && (most === -1 || logit > logits[most]) ? id : most), -1);
      equal(token, best, `token ${index}`);
      free += Number(logits.indexOf(Math.max(...logits)) === token);
      left -= texts[token].length;
    }
    holds(free < tokens.length, 'the grammar forbade nothing that would have come anyway');
  },

  async 'where tokens are drawn does not matter, and a token is 8 bytes that are read back'() {
    const bytesRead = async () => (await model.counters())?.total.bytesRead ?? 0;
    for (const way of ways) {
      const draw = async (/** @type {{ logprobs?: number }} */ more) => {
        const before = await bytesRead();
        const { tokens, logprobs = [] } = await answer({ regex: '[ -~]{16}' }, { ...way, ...more });
        return { tokens, logprobs, read: (await bytesRead()) - before };
      };
      const [plain, onHost] = [await draw({}), await draw({ logprobs: 1 })];
      equal(plain.tokens, onHost.tokens, JSON.stringify(way));
      holds(onHost.logprobs.some(({ token, top }) => top[0].token !== token), 'log-probabilities are those of the model alone');
      if (model.info.backend !== 'webgpu') continue;
      equal(plain.read, 8 * plain.tokens.length, 'bytes that were read');
    }
  },

  async 'the same seed gives the same, other seeds do not'() {
    const text = async (/** @type {number} */ seed) => (await answer({ regex: '[a-z]{20}' }, { temperature: 1, seed })).text;
    equal(await text(5), await text(5));
    holds(new Set(await Promise.all([1, 2, 3].map(text))).size === 3, 'three texts');
  },

  async 'maxTokens and stop texts cut it, and a signal stops it'() {
    const cut = await answer({ jsonSchema: schemas.constant }, { maxTokens: 2 });
    equal([cut.reason, cut.tokens.length], ['length', 2]);
    holds(JSON.stringify(schemas.constant.const).startsWith(cut.text.replace(/\s/g, '')), cut.text);
    const stopped = await answer({ regex: 'one;two;three' }, { stop: [';three', 'two'] });
    equal([stopped.text, stopped.reason], ['one;', 'stop']);
    const controller = new AbortController();
    const generation = model.generate(prompt, { grammar: { regex: '[a-z]{500}' }, signal: controller.signal });
    for await (const part of generation) if (part.type === 'text-delta') controller.abort();
    equal((await generation.result()).reason, 'aborted');
  },

  async 'an answer that may go on and may end'() {
    const most = await answer({ regex: 'a+' }, { ignoreEos: true, maxTokens: 5 });
    holds(/^a+$/.test(most.text) && most.reason === 'length', most.text);
    const whole = await answer({ regex: 'a{1,9}' }, { ignoreEos: true });
    equal([whole.text, whole.reason], ['aaaaaaaaa', 'stop']);
    const free = await answer({ regex: '(ab){1,9}' });
    holds(/^(ab){1,9}$/.test(free.text) && free.reason === 'stop', free.text);
  },

  async 'a chat, and a chat whose model thinks first'() {
    const { text } = await model.chat(messages, { maxTokens: 400, grammar: { jsonSchema: person } }).result();
    holds(fits(JSON.parse(text), person, person), text);
    const chatTemplate = '{% for m in messages %}{{ m.content }}{% endfor %}<think>';
    const thinker = await load(source.url, /** @type {any} */ ({ backend: source.backend, cache: 'none', chatTemplate }));
    try {
      const thought = await thinker.chat(messages, { maxTokens: 12, grammar: { regex: 'z{30}' } }).result();
      equal([thought.text, thought.reason, thought.tokens.length], ['', 'length', 12]);
      holds((thought.reasoning ?? '') !== '' && !/^z+$/.test(thought.reasoning ?? ''), `it thinks what it likes: ${thought.reasoning}`);
    } finally {
      await thinker.close();
    }
  },

  // A model that says what it is told to, until it is told what it may say.
  async 'what a model thinks before it answers is free, the answer is not'() {
    const pieces = ['<think>', 'Hm', '</think>', 'Sure: ', 'yes', 'no'];
    const template = `{% if false %}<think>{% endif %}${go}`;
    const options = { special: ['<think>', '</think>'], template };
    for (const [script, grammar, expected] of /** @type {[string[], any, any][]} */ ([
      [pieces, undefined, ['Hm', 'Sure: yesno']],
      [pieces, { regex: 'yes|no' }, ['Hm', 'yes']],
      [pieces.slice(3), { regex: 'yes|no' }, [undefined, 'yes']],
      [['<think>', 'Hm', ...pieces.slice(3)], { regex: 'yes|no' }, ['HmSure: yesno', '']],
    ])) {
      const scripted = await load(new Blob([/** @type {BlobPart} */ (build(scriptedModel(script, { ...options, special: script.filter((piece) => options.special.includes(piece)) })))]), /** @type {any} */ ({ backend: source.backend }));
      const { reasoning, text, reason } = await scripted.chat(messages, { grammar, maxTokens: 8 }).result().finally(() => scripted.close());
      equal([reasoning?.slice(0, 13), text], expected, `${script.join('')} with ${JSON.stringify(grammar)}`);
      equal(reason, expected[1] === '' ? 'length' : 'stop');
    }
  },

  async 'what is no grammar, or takes more than it may, is an error in time, and the next one works'() {
    for (const [name, code, grammar] of refused) {
      const started = performance.now();
      const { code: found, message } = await failure(answer(grammar, { maxTokens: 20 }));
      holds(found === code && message.length < 900, `${name}: ${found}, ${message}`);
      const seconds = (performance.now() - started) / 1000;
      console.log(`${name}: ${seconds.toFixed(2)} s, ${message.slice(0, 120)}`);
      holds(seconds < 30, `${name} took ${seconds} s`);
      equal((await answer({ regex: 'ab' })).text, 'ab', `after ${name}`);
    }
  },

  async 'what is large and can be done is done'() {
    for (const grammar of [{ regex: 'a{1000000000}' }, { regex: '((a{100}){100}){100}' }, { regex: '(a|b)*a(a|b){20}' },
      { jsonSchema: { type: 'string', minLength: 1e9 } }, { jsonSchema: { type: 'array', minItems: 1e9 } },
      { jsonSchema: { type: 'array', minItems: 1, items: { $ref: '#' } } }, { jsonSchema: { enum: Array.from({ length: 5000 }, (_, i) => `value ${i}`) } }]) {
      const { reason, tokens } = await answer(grammar, { maxTokens: 12, temperature: 1, seed: 1 });
      holds(['length', 'stop'].includes(reason) && tokens.length > 0, JSON.stringify(grammar).slice(0, 60));
    }
  },

  async 'options that are none'() {
    const bad = /** @type {any} */ (model);
    for (const grammar of [{}, { regex: 'a', lark: 'b' }, { regex: 3 }, { regex: /a/ }, { json: false }, { jsonSchema: 'x' }, { jsonSchema: [] }, 'json', null]) {
      await fails('invalid-argument', bad.generate(prompt, { grammar }).result());
    }
    await fails('unsupported-option', bad.generate(prompt, { grammar: { gbnf: 'root ::= "a"' } }).result());
    const tools = [{ type: 'function', function: { name: 'f' } }];
    await fails('unsupported-option', bad.chat(messages, { tools, grammar: { json: true } }).result());
  },

  async 'the model at the end of it all, without a grammar'() {
    equal((await model.generate(prompt, { maxTokens: 5, ignoreEos: true }).result()).tokens.length, 5);
    await model.close();
  },
};
