// Runs in the page: what a generation promises, with any model that has a byte-level tokenizer.
import { load, PagelmError } from '/pkg/dist/index.js';
import { equal, fails, holds } from './in-page.js';

/** @typedef {import('../../pkg/dist/types.d.ts').Model} Model */

const greedy = { temperature: 0, ignoreEos: true };
const messages = [{ role: /** @type {const} */ ('user'), content: 'Say something.' }];
const prompt = [40, 41, 42];

/** @type {Model} */
let model;
/** @type {{ url: string, backend: string }} */
let source;

/** @param {{ url: string, backend: string }} from */
export async function start(from) {
  source = from;
  model = await load(from.url, /** @type {any} */ ({ backend: from.backend, cache: 'none' }));
  return { info: model.info, names: Object.keys(cases), isolated: crossOriginIsolated };
}

/** @param {string} name */
export const run = (name) => cases[name]();

/** @param {import('../../pkg/dist/types.d.ts').Generation} generation */
async function partsOf(generation) {
  /** @type {any[]} */
  const parts = [];
  for await (const part of generation) parts.push(part);
  return parts;
}

/** @type {Record<string, () => Promise<void>>} */
const cases = {
  async 'text parts add up to the text, and finish comes last'() {
    const generation = model.chat(messages, { ...greedy, maxTokens: 24 });
    const parts = await partsOf(generation);
    const { text, tokens, reason, usage, timings } = await generation.result();
    const deltas = parts.slice(0, -1);
    holds(deltas.length > 1, 'more than one part');
    holds(deltas.every((part) => part.type === 'text-delta' && part.text !== ''), 'each a text that is not empty');
    equal(deltas.map((part) => part.text).join(''), text, 'the parts');
    equal(await generation.text(), text, 'text()');
    equal(parts.at(-1), { type: 'finish', reason, usage, timings }, 'the last part');
    equal([reason, tokens.length, usage.generatedTokens], ['length', 24, 24]);
    equal(usage.promptTokens, (await model.tokenize(await model.applyChatTemplate(messages), { addSpecial: false })).length, 'promptTokens');
    holds(timings.promptMs > 0 && timings.generateMs > 0 && timings.timeToFirstTokenMs > 0, 'times are measured');
  },

  async 'a stop text ends it and never leaks'() {
    const whole = await model.generate(prompt, { ...greedy, maxTokens: 32 }).result();
    const characters = [...whole.text];
    holds(characters.length > 8, `a text to cut: ${JSON.stringify(whole.text)}`);
    for (const length of [1, 2, 3]) {
      const stop = characters.slice(5, 5 + length).join('');
      const generation = model.generate(prompt, { ...greedy, maxTokens: 32, stop: ['never in it', stop] });
      const parts = await partsOf(generation);
      const { text, reason } = await generation.result();
      equal(text, whole.text.slice(0, whole.text.indexOf(stop)), `the text before ${JSON.stringify(stop)}`);
      equal(reason, 'stop');
      equal(parts.map((part) => part.text ?? '').join(''), text, 'the parts');
    }
  },

  async 'text held back for a stop text that does not come is given in the end'() {
    const whole = await model.generate(prompt, { ...greedy, maxTokens: 12 }).result();
    const stop = `${[...whole.text].slice(-2).join('')} and then not`;
    equal((await model.generate(prompt, { ...greedy, maxTokens: 12, stop: [stop] }).result()).text, whole.text);
  },

  async 'a signal ends it: reason aborted, the text so far is kept'() {
    const controller = new AbortController();
    const generation = model.generate(prompt, { ...greedy, signal: controller.signal });
    let seen = '';
    let reason;
    for await (const part of generation) {
      if (part.type === 'text-delta') seen += part.text;
      if (part.type === 'finish') ({ reason } = part);
      if (seen.length > 2) controller.abort();
    }
    const result = await generation.result();
    equal([reason, result.reason, result.text], ['aborted', 'aborted', seen]);
    const before = model.generate(prompt, { signal: AbortSignal.abort() });
    equal([(await before.result()).reason, await before.text()], ['aborted', '']);
  },

  async 'leaving the loop ends it'() {
    const generation = model.generate(prompt, greedy);
    for await (const part of generation) if (part.type === 'text-delta') break;
    equal((await generation.result()).reason, 'aborted');
    await fails('invalid-argument', partsOf(generation)); // it is read once
  },

  async 'maxTokens ends it: reason length'() {
    for (const maxTokens of [1, 5]) {
      const { reason, tokens, usage } = await model.generate(prompt, { ...greedy, maxTokens }).result();
      equal([reason, tokens.length, usage.generatedTokens], ['length', maxTokens, maxTokens]);
    }
  },

  async 'the same seed gives the same, other seeds do not'() {
    const ids = async (/** @type {number} */ seed) => (await model.generate(prompt, { seed, temperature: 1.5, topK: 0, topP: 1, minP: 0, maxTokens: 12, ignoreEos: true }).result()).tokens;
    equal(await ids(7), await ids(7), 'seed 7');
    const all = await Promise.all([1, 2, 3, 4].map(ids));
    holds(new Set(all.map(String)).size === 4, 'four seeds give four texts');
  },

  async 'where tokens are drawn does not matter: log-probabilities take the logits to the host'() {
    const bytesRead = async () => (await model.counters())?.total.bytesRead ?? 0;
    for (const options of [{ temperature: 0.8, topK: 40, topP: 0.95 }, { temperature: 1, minP: 0.02, frequencyPenalty: 0.5 }]) {
      const draw = async (/** @type {{ logprobs?: number }} */ more) => {
        const before = await bytesRead();
        const { tokens } = await model.generate(prompt, { ...options, ...more, seed: 11, maxTokens: 16, ignoreEos: true }).result();
        return { tokens, read: (await bytesRead()) - before };
      };
      const [plain, onHost] = [await draw({}), await draw({ logprobs: 0 })];
      equal(plain.tokens, onHost.tokens, JSON.stringify(options));
      equal(plain.tokens.length, 16);
      if (model.info.backend !== 'webgpu') continue;
      equal(plain.read, 8 * 16, 'bytes that were read for tokens drawn on the device');
      holds(onHost.read >= 16 * 4 * model.info.vocabularySize, 'all logits were read for those drawn on the host');
    }
  },

  async 'one candidate is greedy, whatever the temperature'() {
    const plain = await model.generate(prompt, { ...greedy, maxTokens: 8 }).result();
    const one = await model.generate(prompt, { temperature: 2, topK: 1, seed: 3, maxTokens: 8, ignoreEos: true }).result();
    equal(one.tokens, plain.tokens);
  },

  async 'logitBias bans and forces'() {
    const [first] = (await model.generate(prompt, { ...greedy, maxTokens: 1 }).result()).tokens;
    const without = await model.generate(prompt, { ...greedy, maxTokens: 12, logitBias: { [first]: -1000 } }).result();
    holds(!without.tokens.includes(first), `${first} is banned`);
    const forced = await model.generate(prompt, { ...greedy, maxTokens: 3, logitBias: [[77, 1000]] }).result();
    equal(forced.tokens, [77, 77, 77]);
  },

  async 'a penalty on repetition changes what repeats'() {
    const forced = { ...greedy, maxTokens: 4, logitBias: /** @type {[number, number][]} */ ([[77, 50]]) };
    equal((await model.generate(prompt, forced).result()).tokens, [77, 77, 77, 77]);
    const once = (await model.generate(prompt, { ...forced, presencePenalty: 100 }).result()).tokens;
    equal(once.filter((id) => id === 77).length, 1, 'with a presence penalty');
    const penalised = (await model.generate(prompt, { ...forced, frequencyPenalty: 100 }).result()).tokens;
    equal(penalised.filter((id) => id === 77).length, 1, 'with a frequency penalty');
  },

  async 'logprobs are the distribution of the logits, most likely first'() {
    const generation = model.generate(prompt, { ...greedy, maxTokens: 3, logprobs: 5 });
    const parts = await partsOf(generation);
    const { tokens, logprobs = [] } = await generation.result();
    equal(logprobs.map(({ token }) => token), tokens);
    equal(parts.flatMap((part) => part.logprobs ?? []), logprobs, 'in the parts');
    for (const [index, { token, logprob, top }] of logprobs.entries()) {
      equal([top.length, top[0].token, top[0].logprob], [5, token, logprob]);
      holds(top.every((one, place) => one.logprob <= 0 && (place === 0 || one.logprob <= top[place - 1].logprob)), 'sorted');
      const logits = Array.from(await model.logits([...prompt, ...tokens.slice(0, index)]));
      const largest = Math.max(...logits);
      const sum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit - largest), 0));
      for (const one of top) holds(Math.abs(logits[one.token] - largest - sum - one.logprob) < 1e-3, `the log-probability of ${one.token}`);
    }
    equal((await model.generate(prompt, { ...greedy, maxTokens: 1, logprobs: 0 }).result()).logprobs?.[0].top, []);
    equal((await model.generate(prompt, { ...greedy, maxTokens: 1 }).result()).logprobs, undefined);
  },

  async 'a context that is full'() {
    const small = await load(source.url, /** @type {any} */ ({ backend: source.backend, cache: 'none', contextLength: 16 }));
    try {
      equal(small.info.contextLength, 16);
      const tokens = Array.from({ length: 17 }, (_, index) => index);
      for (const attempt of [small.generate(tokens).result(), small.logits(tokens), small.score(tokens), small.generate(tokens.slice(1)).result()]) {
        const { message } = await fails('context-overflow', attempt);
        holds(message.includes('16'), `the limit is in the message: ${message}`);
      }
      const { reason, tokens: generated } = await small.generate(prompt, greedy).result();
      equal([reason, generated.length], ['length', 13]);
    } finally {
      await small.close();
    }
  },

  async 'text to ids and back'() {
    for (const text of ['', 'Hello world', ' two  spaces ', 'naïve Ünïcödé', '日本語 한국어', 'flag 🇩🇪 family 👩‍👩‍👧‍👦 parrot 🦜', 'line\r\nline\ttab', '\u0000\u0001', "it's 12345.678 %§$"]) {
      const tokens = await model.tokenize(text, { addSpecial: false });
      equal(await model.detokenize(tokens), text);
    }
    equal(await model.detokenize([]), '');
    const emoji = await model.tokenize('🦜', { addSpecial: false });
    if (emoji.length > 1) equal(await model.detokenize(emoji.slice(0, 1)), '\ufffd', 'a piece of a character');
  },

  async 'a text and its ids are the same prompt'() {
    const text = 'Once upon a time';
    const byText = await model.generate(text, { ...greedy, maxTokens: 6 }).result();
    const byIds = await model.generate(await model.tokenize(text), { ...greedy, maxTokens: 6 }).result();
    equal(byText.tokens, byIds.tokens);
  },

  async 'what was evaluated before is not evaluated again, and changes nothing'() {
    const long = Array.from({ length: 40 }, (_, index) => index + 5);
    await model.logits([1]);
    const first = await model.generate(long, { ...greedy, maxTokens: 6 }).result();
    const second = await model.generate(long, { ...greedy, maxTokens: 6 }).result();
    equal(second.tokens, first.tokens);
    equal([first.usage.cachedTokens, second.usage.cachedTokens], [0, 39]);
  },

  // Nothing here depends on how fast a token is: the first generation runs until the call in between has been answered.
  async 'generations wait for each other, and other calls come in between'() {
    const other = await model.generate([9, 8], { ...greedy, maxTokens: 10 }).result();
    const controller = new AbortController();
    /** @type {string[]} */
    const order = [];
    const note = (/** @type {string} */ name) => (/** @type {any} */ value) => { order.push(name); return value; };
    const first = model.generate(prompt, { ...greedy, signal: controller.signal }).result().then(note('first'));
    const second = model.generate([9, 8], { ...greedy, maxTokens: 10 }).result().then(note('second'));
    const tokens = await model.tokenize('in between').then(note('tokens'));
    controller.abort();
    const { reason, tokens: begun } = await first;
    equal(reason, 'aborted', 'how the first ended, if it had not ended before the tokens came');
    equal((await second).tokens, other.tokens, 'the second');
    equal(order, ['tokens', 'first', 'second'], 'the order');
    holds(tokens.length > 0, 'tokens');
    if (begun.length > 0) {
      const alone = await model.generate(prompt, { ...greedy, maxTokens: begun.length }).result();
      equal(begun, alone.tokens, 'the first, undisturbed');
    }
  },

  async 'what is not understood or out of range is an error'() {
    const bad = /** @type {any} */ (model);
    await fails('unsupported-option', bad.generate('x', { maxtokens: 3 }).result());
    await fails('invalid-argument', bad.chat(messages, { tools: [{}] }).result());
    await fails('unsupported-option', bad.tokenize('x', { special: true }));
    for (const options of [{ temperature: -1 }, { temperature: NaN }, { topP: 2 }, { maxTokens: 0 }, { seed: -1 }, { stop: [''] }, { stop: 'x' }, { logprobs: 21 }, { logitBias: { 99999999: 1 } }, { signal: {} }]) {
      await fails('invalid-argument', bad.generate('x', options).result());
    }
    for (const tokens of [[], [-1], [0.5], [model.info.vocabularySize], ['1']]) {
      await fails('invalid-argument', bad.generate(tokens).result());
      await fails('invalid-argument', bad.logits(tokens));
    }
    for (const chat of [[], [{}], [{ role: 'king', content: '' }], [{ role: 'user', content: 3 }]]) await fails('invalid-argument', bad.applyChatTemplate(chat));
  },

  async 'a closed model says so'() {
    const other = await load(source.url, /** @type {any} */ ({ backend: source.backend, cache: 'none' }));
    const running = other.generate(prompt, greedy).result();
    const waiting = other.logits(prompt);
    running.catch(() => {});
    waiting.catch(() => {});
    await other.close();
    await other.close();
    for (const late of [running, waiting, other.generate('x').result(), other.generate('x').text(), other.tokenize('x'), other.score([1, 2]), other.applyChatTemplate(messages)]) {
      holds(PagelmError.isInstance(await fails('closed', late)), 'a PagelmError');
    }
  },

  async 'the model at the end of it all'() {
    equal((await model.generate(prompt, { ...greedy, maxTokens: 2 }).result()).tokens.length, 2);
    await model.close();
  },
};
