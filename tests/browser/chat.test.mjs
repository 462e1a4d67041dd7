// The default model in conversation: template, tokens and answer, on the CPU of every engine. With baseline kernels: activations of
// 8 bits make this model begin its answer with another word, as they do in llama.cpp, and go astray.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { realModel } from './paths.mjs';

const read = (/** @type {string} */ name) => JSON.parse(readFileSync(new URL(`../goldens/${name}`, import.meta.url), 'utf8'));
const { inputs } = read('chat/inputs.json');
const { cases } = read('chat/smollm2-135m.json');
/** The API takes these; `enable_thinking` and the like are for templates that have them. */
const templates = cases
  .map((/** @type {any} */ { input, expected }) => ({ expected, ...inputs.find((/** @type {any} */ { name }) => name === input) }))
  .filter((/** @type {any} */ { expected, ...input }) => expected !== undefined
    && Object.keys(input).every((key) => ['name', 'messages', 'tools', 'add_generation_prompt'].includes(key)));

assert.ok(templates.length >= 5, `only ${templates.length} template cases`);
assert.ok(existsSync(realModel.file), `${realModel.file} is missing; run "make model"`);

for (const engine of /** @type {const} */ (['chromium', 'firefox', 'webkit'])) {
  test(`SmolLM2 talks in ${engine}`, { skip: missing(engine), timeout: 180_000 }, async (t) => {
    const session = await open({ engine });
    t.after(() => session.close());
    const talk = await session.evaluate(async ({ url, templates }) => {
      const { load } = await import(`${location.origin}/pkg/dist/index.js`);
      const model = await load(url, { backend: 'cpu', cache: 'none', kernels: 'baseline' });
      const rendered = [];
      for (const { messages, tools, add_generation_prompt: addGenerationPrompt } of templates) {
        rendered.push(await model.applyChatTemplate(messages, { addGenerationPrompt, ...(tools && { tools }) }).catch((/** @type {any} */ error) => `${error.code}: ${error.message}`));
      }
      const question = [{ role: 'user', content: 'What is the capital of France?' }];
      const generation = model.chat(question, { temperature: 0, maxTokens: 64 });
      let streamed = '';
      for await (const part of generation) if (part.type === 'text-delta') streamed += part.text;
      const { text, reason, tokens } = await generation.result();
      const stopped = await model.chat(question, { temperature: 0, maxTokens: 64, stop: ['Paris'] }).result();
      const turn = [...question, { role: 'assistant', content: text }, { role: 'user', content: 'And of Italy?' }];
      const second = await model.chat(turn, { temperature: 0, maxTokens: 32 }).result();
      const emoji = await model.tokenize('Grüße 👩‍🚀🦜 日本', { addSpecial: false });
      const back = await model.detokenize(emoji);
      await model.close();
      return { rendered, streamed, text, reason, tokens: tokens.length, stopped, second, back };
    }, { url: realModel.url, templates });

    for (const [index, { name, expected }] of templates.entries()) {
      await t.test(`template: ${name}`, () => assert.equal(talk.rendered[index], expected));
    }
    await t.test('an answer that ends by itself', () => {
      assert.equal(talk.streamed, talk.text);
      assert.match(talk.text, /Paris/);
      assert.doesNotMatch(talk.text, /<\|/, 'special tokens are not text');
      assert.equal(talk.reason, 'stop');
      assert.ok(talk.tokens > 0 && talk.tokens < 64);
    });
    await t.test('a stop text in the middle of it', () => {
      assert.equal(talk.stopped.reason, 'stop');
      assert.equal(talk.stopped.text, talk.text.slice(0, talk.text.indexOf('Paris')));
    });
    await t.test('the second turn uses what is cached of the first', () => {
      assert.ok(talk.second.usage.cachedTokens > 20, JSON.stringify(talk.second.usage));
      assert.notEqual(talk.second.text, '');
    });
    await t.test('text beyond ASCII and back', () => assert.equal(talk.back, 'Grüße 👩‍🚀🦜 日本'));
  });
}
