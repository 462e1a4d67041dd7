// What a generation with a grammar promises, with a byte-level vocabulary and one of SentencePiece, on the CPU and on WebGPU. The cases
// are in grammar-page.js. And a real model, whose answer has to mean something.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { realModel, tinyModel } from './paths.mjs';
import { fits } from './schema.js';

/** @type {{ engine: import('./browsers.mjs').EngineName, backend: 'cpu' | 'webgpu', name: string }[]} */
const settings = [
  { engine: 'chromium', backend: 'cpu', name: 'llama-bpe-q4_0-ropefreqs-tied' },
  { engine: 'chromium', backend: 'webgpu', name: 'llama-spm-f32-tied' },
  { engine: 'firefox', backend: 'webgpu', name: 'llama-bpe-q4_0-ropefreqs-tied' },
  { engine: 'firefox', backend: 'cpu', name: 'llama-spm-f32-tied' },
];
const grammarModule = '/pkg/dist/wasm/pagelm_grammar.wasm';

for (const { engine, backend, name } of settings) {
  test(`${engine}, ${backend}, ${name}`, { skip: missing(engine), timeout: 600_000 }, async (t) => {
    const session = await open({ engine, webgpu: backend === 'webgpu' });
    t.after(() => session.close());
    const call = (/** @type {string} */ name, /** @type {any} */ value) =>
      session.evaluate(async (args) => (await import(`${location.origin}/browser/grammar-page.js`))[args.name](args.value), { name, value });

    const { info, names } = await call('start', { url: tinyModel(name).url, backend });
    assert.equal(info.backend, backend);
    assert.ok(names.length >= 10, `only ${names.length} cases`);
    const fetched = () => session.server.requests.filter(({ path }) => path === grammarModule).length;
    assert.equal(fetched(), 0, 'nothing is fetched for grammars before there is one');
    for (const name of names) await t.test(name, () => call('run', name));
    assert.ok(fetched() >= 1 && fetched() <= 5, `the module was fetched ${fetched()} times by five models`);
  });
}

test('what does not fit a schema is noticed', () => {
  const schema = { type: 'object', properties: { a: { type: 'integer', maximum: 3 } }, required: ['a'], additionalProperties: false };
  assert.ok(fits({ a: 3 }, schema, schema));
  for (const value of [{ a: 4 }, { a: '3' }, {}, { a: 1, b: 1 }, [], null, 3]) assert.ok(!fits(value, schema, schema), JSON.stringify(value));
});

test('SmolLM2 says who somebody is', { skip: missing('chromium'), timeout: 600_000 }, async (t) => {
  const session = await open({ engine: 'chromium' });
  t.after(() => session.close());
  const schema = {
    type: 'object', properties: { name: { type: 'string', maxLength: 40 }, age: { type: 'integer' } }, required: ['name', 'age'], additionalProperties: false,
  };
  const found = await session.evaluate(async ({ url, schema }) => {
    const { load } = await import(`${location.origin}/pkg/dist/index.js`);
    const model = await load(url, { backend: 'cpu', cache: 'none' });
    const messages = [{ role: 'user', content: 'Anna is 31 years old. Who is that? Answer in JSON with a name and an age.' }];
    try {
      return await model.chat(messages, { grammar: { jsonSchema: schema }, maxTokens: 60 }).result();
    } finally {
      await model.close();
    }
  }, { url: realModel.url, schema });
  console.log(`SmolLM2: ${found.text}, ${JSON.stringify(found.timings)}`);
  assert.equal(found.reason, 'stop');
  assert.ok(fits(JSON.parse(found.text), schema, schema), found.text);
  assert.deepEqual(JSON.parse(found.text), { name: 'Anna', age: 31 });
});
