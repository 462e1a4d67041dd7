import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkChatOptions, checkGenerateOptions, checkLoadOptions, checkMessages, checkTemplateOptions, checkTokenizeOptions, checkTokens } from '../dist/options.js';
import { describeSource } from '../dist/source-data.js';
import { PagelmError } from '../dist/errors.js';

/** Runs `check` and expects a PagelmError with `code` whose message contains every one of `words`. */
function refused(code, words, check) {
  assert.throws(check, (error) => {
    assert.ok(PagelmError.isInstance(error), String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.message.includes(word), `"${error.message}" does not contain "${word}"`);
    return true;
  });
}

test('refused() itself fails when nothing is refused, or something else is', () => {
  assert.throws(() => refused('invalid-argument', [], () => {}));
  assert.throws(() => refused('network', [], () => checkLoadOptions(1)));
  assert.throws(() => refused('invalid-argument', ['no such word'], () => checkLoadOptions(1)));
});

test('load options: good ones pass, absent ones stay absent', () => {
  assert.deepEqual(checkLoadOptions(undefined).settings, { backend: 'auto' });
  assert.deepEqual(checkLoadOptions({ backend: undefined, unknown: undefined }).settings, { backend: 'auto' });
  const all = { backend: 'cpu', cache: 'none', contextLength: 8, chatTemplate: '{{ x }}' };
  assert.deepEqual(checkLoadOptions({ ...all, kvCacheType: 'f32', threads: 1 }).settings, all);
});

for (const [options, code, words] of [
  [{ gpu: true }, 'unsupported-option', ['gpu', 'true', 'backend']],
  [{ kvCacheType: 'f16' }, 'unsupported-option', ['kvCacheType', 'f16', 'f32']],
  [{ kvCacheType: 'f8' }, 'invalid-argument', ['kvCacheType', 'f8']],
  [{ threads: 2 }, 'unsupported-option', ['threads', '2', 'only 1']],
  [{ threads: 0 }, 'invalid-argument', ['threads', '0']],
  [{ backend: 'webgl' }, 'invalid-argument', ['webgl', "'auto'", "'cpu'"]],
  [{ cache: true }, 'invalid-argument', ['cache', 'true']],
  [{ contextLength: 0 }, 'invalid-argument', ['contextLength', '0']],
  [{ contextLength: 1.5 }, 'invalid-argument', ['1.5']],
  [{ contextLength: '8' }, 'invalid-argument', ['"8"']],
  [{ contextLength: NaN }, 'invalid-argument', ['NaN']],
  [{ chatTemplate: null }, 'invalid-argument', ['chatTemplate', 'null']],
  [{ signal: {} }, 'invalid-argument', ['signal']],
  [{ onProgress: 'x' }, 'invalid-argument', ['onProgress']],
  ['auto', 'invalid-argument', ['load options']],
  [null, 'invalid-argument', ['null']],
]) {
  test(`load options: ${JSON.stringify(options)} is ${code}`, () => refused(code, words, () => checkLoadOptions(options)));
}

test('generate options: good ones pass', () => {
  const options = {
    maxTokens: 1, temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1.1, presencePenalty: -1, frequencyPenalty: 2,
    seed: 0xffffffff, stop: ['a'], logprobs: 20, ignoreEos: true,
  };
  assert.deepEqual(checkGenerateOptions(options, 10).sampling, options);
  assert.deepEqual(checkGenerateOptions(undefined, 10).sampling, {});
});

test('logit bias: objects, pairs and maps are the same', () => {
  for (const logitBias of [{ 3: -1, 9: 2 }, [[3, -1], [9, 2]], new Map([[3, -1], [9, 2]])]) {
    assert.deepEqual(checkGenerateOptions({ logitBias }, 10).sampling.logitBias, [[3, -1], [9, 2]]);
  }
});

for (const [options, code, words] of [
  [{ max_tokens: 1 }, 'unsupported-option', ['max_tokens', 'maxTokens']],
  [{ tools: [] }, 'unsupported-option', ['tools']],
  [{ enableThinking: true }, 'unsupported-option', ['enableThinking']],
  [{ maxTokens: 0 }, 'invalid-argument', ['maxTokens']],
  [{ temperature: -0.1 }, 'invalid-argument', ['temperature', '-0.1']],
  [{ temperature: Infinity }, 'invalid-argument', ['Infinity']],
  [{ topP: 1.01 }, 'invalid-argument', ['topP', '1.01', 'from 0 to 1']],
  [{ repetitionPenalty: 0 }, 'invalid-argument', ['repetitionPenalty', 'above 0']],
  [{ seed: 2 ** 32 }, 'invalid-argument', ['4294967296', '4294967295']],
  [{ stop: 'a' }, 'invalid-argument', ['stop', 'array']],
  [{ stop: [''] }, 'invalid-argument', ['stop[0]']],
  [{ logitBias: { 10: 1 } }, 'invalid-argument', ['10', '9']],
  [{ logitBias: { x: 1 } }, 'invalid-argument', ['"x"']],
  [{ logitBias: { 1: 'x' } }, 'invalid-argument', ['logitBias[1]']],
  [{ logitBias: [1] }, 'invalid-argument', ['pair']],
  [{ logprobs: 21 }, 'invalid-argument', ['21', '20']],
  [{ ignoreEos: 1 }, 'invalid-argument', ['ignoreEos']],
]) {
  test(`generate options: ${JSON.stringify(options)} is ${code}`, () => refused(code, words, () => checkGenerateOptions(options, 10)));
}

test('chat options are generate options and the variables of the template', () => {
  assert.deepEqual(checkChatOptions({ maxTokens: 1 }, 10).sampling, { maxTokens: 1 });
  assert.equal('variables' in checkChatOptions({}, 10), false);
  assert.deepEqual(checkChatOptions({ enableThinking: false }, 10).variables, { enable_thinking: false });
  assert.deepEqual(checkChatOptions({ templateOptions: { a: [1], b: undefined } }, 10).variables, { a: [1] });
  assert.deepEqual(checkTemplateOptions({ enableThinking: true, templateOptions: { a: 1 } }).variables, { a: 1, enable_thinking: true });
  const tool = { type: 'function', function: { name: 'add', parameters: {} } };
  assert.deepEqual(checkChatOptions({ tools: [tool] }, 10).tools, [tool]);
  assert.equal(checkChatOptions({ tools: [] }, 10).tools, undefined);
  for (const tools of [{}, [1], [{ name: 'add' }], [{ type: 'function', function: {} }], [{ ...tool, function: { name: 'add', parameters: 1 } }]]) {
    refused('invalid-argument', ['tools'], () => checkChatOptions({ tools }, 10));
  }
  refused('invalid-argument', ['tools', '"add"'], () => checkChatOptions({ tools: [tool, tool] }, 10));
  refused('unsupported-option', ['enable_thinking', 'enableThinking'], () => checkChatOptions({ enable_thinking: true }, 10));
  refused('invalid-argument', ['enableThinking'], () => checkChatOptions({ enableThinking: 'yes' }, 10));
  refused('invalid-argument', ['templateOptions'], () => checkChatOptions({ templateOptions: [] }, 10));
  refused('invalid-argument', ['templateOptions'], () => checkTemplateOptions({ templateOptions: null }));
  refused('invalid-argument', ['enable_thinking'], () => checkChatOptions({ enableThinking: true, templateOptions: { enable_thinking: false } }, 10));
});

test('tokens: the vocabulary is the limit', () => {
  assert.deepEqual([...checkTokens('tokens', [0, 9], 10, 1)], [0, 9]);
  refused('invalid-argument', ['tokens[1]', '10', '9'], () => checkTokens('tokens', [0, 10], 10, 1));
  refused('invalid-argument', ['tokens[0]'], () => checkTokens('tokens', [-1], 10, 1));
  refused('invalid-argument', ['tokens[1]'], () => checkTokens('tokens', [1, , 2], 10, 1)); // eslint-disable-line no-sparse-arrays
  refused('invalid-argument', ['at least 1'], () => checkTokens('tokens', [], 10, 1));
  refused('invalid-argument', ['array'], () => checkTokens('tokens', 'abc', 10, 1));
});

test('messages', () => {
  const messages = [
    { role: 'user', content: 'x' }, { role: 'assistant', content: null, tool_calls: [{ id: 1 }] },
    { role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'text', text: '' }] },
  ];
  assert.deepEqual(JSON.parse(checkMessages(messages)), messages);
  refused('invalid-argument', ['at least one'], () => checkMessages([]));
  refused('invalid-argument', ['messages[0].role', 'robot'], () => checkMessages([{ role: 'robot', content: '' }]));
  refused('invalid-argument', ['messages[0].content', 'null'], () => checkMessages([{ role: 'user', content: null }]));
  refused('invalid-argument', ['messages[1].content', 'array'], () => checkMessages([messages[0], { role: 'user', content: [] }]));
  refused('unsupported-option', ['content[0].type', 'image'], () => checkMessages([{ role: 'user', content: [{ type: 'image' }] }]));
  refused('invalid-argument', ['content[0].text'], () => checkMessages([{ role: 'user', content: [{ type: 'text' }] }]));
  refused('unsupported-option', ['url'], () => checkMessages([{ role: 'user', content: [{ type: 'text', text: '', url: '' }] }]));
  refused('unsupported-option', ['contnet'], () => checkMessages([{ role: 'user', content: '', contnet: '' }]));
  const circular = [];
  circular.push(circular);
  refused('invalid-argument', ['JSON'], () => checkMessages([{ role: 'assistant', content: '', tool_calls: circular }]));
});

test('tokenize and template options have their defaults', () => {
  assert.deepEqual(checkTokenizeOptions(undefined), { addSpecial: true, parseSpecial: true });
  assert.deepEqual(checkTokenizeOptions({ addSpecial: false }), { addSpecial: false, parseSpecial: true });
  assert.deepEqual(checkTemplateOptions(undefined), { addGenerationPrompt: true });
  refused('unsupported-option', ['add_special'], () => checkTokenizeOptions({ add_special: true }));
  refused('invalid-argument', ['tools'], () => checkTemplateOptions({ tools: {} }));
});

test('sources', () => {
  const base = 'https://example.org/app/index.html';
  const hash = 'AB'.repeat(32);
  assert.deepEqual(describeSource('m.gguf', undefined, base), { kind: 'url', url: 'https://example.org/app/m.gguf' });
  assert.deepEqual(describeSource(new URL('http://a/m'), 'opfs', undefined), { kind: 'url', url: 'http://a/m' });
  assert.deepEqual(describeSource({ url: ['/m'], sha256: hash, headers: { a: 'b' } }, undefined, base), {
    kind: 'url', url: 'https://example.org/m', sha256: hash.toLowerCase(), headers: { a: 'b' },
  });
  const blob = new Blob(['x']);
  assert.equal(describeSource([blob], undefined, base).blob, blob);
  refused('invalid-argument', ['m.gguf', 'page'], () => describeSource('m.gguf', undefined, undefined));
  refused('unsupported-option', ['hf:'], () => describeSource('hf:a/b/c.gguf@main', undefined, base));
  refused('unsupported-option', ['one part'], () => describeSource([blob, blob], undefined, base));
  refused('unsupported-option', ['one part'], () => describeSource({ url: ['a', 'b'] }, undefined, base));
  refused('unsupported-option', ['sha512'], () => describeSource({ url: 'a', sha512: '' }, undefined, base));
  refused('unsupported-option', ['cache', 'opfs'], () => describeSource(blob, 'opfs', base));
  refused('invalid-argument', ['64'], () => describeSource({ url: 'a', sha256: 'abc' }, undefined, base));
  refused('invalid-argument', ['headers'], () => describeSource({ url: 'a', headers: { a: 1 } }, undefined, base));
  refused('invalid-argument', ['headers'], () => describeSource({ url: 'a', headers: { 'a b': '1' } }, undefined, base));
  refused('invalid-argument', ['source'], () => describeSource(7, undefined, base));
  refused('invalid-argument', ['empty'], () => describeSource([], undefined, base));
});
