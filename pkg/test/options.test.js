import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkChatOptions, checkGenerateOptions, checkLoadOptions, checkMessages, checkTemplateOptions, checkTokenizeOptions, checkTokens } from '../build/options.js';
import { describeSource } from '../build/source-data.js';
import { PagelmError } from '../build/errors.js';

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

const download = { connections: 4, retries: 5, stallMs: 20_000 };

test('load options: good ones pass, absent ones stay absent', () => {
  assert.deepEqual(checkLoadOptions(undefined).settings, { backend: 'auto', download });
  assert.deepEqual(checkLoadOptions({ backend: undefined, unknown: undefined }).settings, { backend: 'auto', download });
  const all = { backend: 'cpu', cache: 'none', contextLength: 8, chatTemplate: '{{ x }}' };
  assert.deepEqual(checkLoadOptions({ ...all, kvCacheType: 'f16', threads: 1 }).settings, { ...all, kvCacheType: 'f16', threads: 1, download });
  assert.deepEqual(checkLoadOptions({ webgpu: { prefill: 'int8', subgroups: false } }).settings.webgpu, { prefill: 'int8', subgroups: false });
  assert.deepEqual(checkLoadOptions({ webgpu: { prefill: 'auto' } }).settings.webgpu, {});
  assert.deepEqual(checkLoadOptions({ download: { connections: 1, stallMs: 5 } }).settings.download, { ...download, connections: 1, stallMs: 5 });
  assert.deepEqual(checkLoadOptions({ hub: { baseUrl: 'https://mirror/hf', token: 'hf_x' } }).hub, { baseUrl: 'https://mirror/hf', token: 'hf_x' });
});

for (const [options, code, words] of [
  [{ gpu: true }, 'unsupported-option', ['gpu', 'true', 'backend']],
  [{ kvCacheType: 'f8' }, 'invalid-argument', ['kvCacheType', 'f8', "'f32', 'f16', 'i16', 'q8_0'"]],
  [{ threads: 65 }, 'invalid-argument', ['threads', '65', '64']],
  [{ kernels: 'avx' }, 'invalid-argument', ['kernels', 'avx']],
  [{ webgpu: { prefill: 'f8' } }, 'invalid-argument', ['webgpu.prefill', 'f8', "'int8'"]],
  [{ webgpu: { subgroups: 1 } }, 'invalid-argument', ['webgpu.subgroups', '1']],
  [{ webgpu: { f16: true } }, 'unsupported-option', ['f16', 'prefill']],
  [{ webgpu: true }, 'invalid-argument', ['webgpu', 'true']],
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
  [{ onRecover: {} }, 'invalid-argument', ['onRecover', 'a function']],
  ['auto', 'invalid-argument', ['load options']],
  [null, 'invalid-argument', ['null']],
]) {
  test(`load options: ${JSON.stringify(options)} is ${code}`, () => refused(code, words, () => checkLoadOptions(options)));
}

test('generate options: grammars', () => {
  const checked = (grammar) => checkGenerateOptions({ grammar }, 10).sampling.grammar;
  assert.deepEqual(checked({ json: true }), { kind: 'jsonSchema', text: '{}' });
  assert.deepEqual(checked({ jsonSchema: { type: 'null', title: undefined } }), { kind: 'jsonSchema', text: '{"type":"null"}' });
  assert.deepEqual(checked({ jsonSchema: true, regex: undefined }), { kind: 'jsonSchema', text: 'true' });
  assert.deepEqual(checked({ regex: 'a+' }), { kind: 'regex', text: 'a+' });
  assert.deepEqual(checked({ lark: 'start: "a"' }), { kind: 'lark', text: 'start: "a"' });
  const circle = {};
  circle.self = circle;
  refused('invalid-argument', ['grammar.jsonSchema', 'JSON'], () => checked({ jsonSchema: circle }));
});

test('chat options: a grammar or tools', () => {
  const tools = [{ type: 'function', function: { name: 'f' } }];
  refused('unsupported-option', ['grammar', 'tools'], () => checkChatOptions({ tools, grammar: { json: true } }, 10));
  assert.ok(checkChatOptions({ tools: [], grammar: { json: true } }, 10).sampling.grammar);
});

for (const [grammar, code, words] of [
  [{}, 'invalid-argument', ['it has 0', 'jsonSchema, json, regex, lark']],
  [{ regex: 'a', lark: 'b' }, 'invalid-argument', ['it has 2']],
  [{ regex: /a/ }, 'invalid-argument', ['grammar.regex', 'source']],
  [{ regex: 1 }, 'invalid-argument', ['grammar.regex']],
  [{ json: false }, 'invalid-argument', ['grammar.json', 'false']],
  [{ jsonSchema: [] }, 'invalid-argument', ['grammar.jsonSchema', 'an object or a boolean']],
  [{ jsonSchema: '{}' }, 'invalid-argument', ['grammar.jsonSchema']],
  [{ gbnf: 'root ::= "a"' }, 'unsupported-option', ['gbnf', 'lark']],
  ['json', 'invalid-argument', ['grammar']],
]) {
  test(`generate options: the grammar ${JSON.stringify(grammar)} is ${code}`, () => refused(code, words, () => checkGenerateOptions({ grammar }, 10)));
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
  assert.deepEqual(describeSource('m.gguf', undefined, base), { kind: 'urls', parts: [{ url: 'https://example.org/app/m.gguf' }] });
  assert.deepEqual(describeSource(new URL('http://a/m'), 'opfs', undefined), { kind: 'urls', parts: [{ url: 'http://a/m' }] });
  assert.deepEqual(describeSource({ url: ['/m'], sha256: hash, headers: { a: 'b' } }, undefined, base), {
    kind: 'urls', parts: [{ url: 'https://example.org/m', sha256: hash.toLowerCase() }], headers: { a: 'b' },
  });
  const blob = new Blob(['x']);
  assert.deepEqual(describeSource([blob, blob], undefined, base).blobs, [blob, blob]);
  refused('invalid-argument', ['m.gguf', 'page'], () => describeSource('m.gguf', undefined, undefined));
  refused('unsupported-option', ['range'], () => describeSource({ url: 'a', headers: { range: 'bytes=0-1' } }, undefined, base));
  refused('unsupported-option', ['sha512'], () => describeSource({ url: 'a', sha512: '' }, undefined, base));
  refused('unsupported-option', ['cache', 'opfs'], () => describeSource(blob, 'opfs', base));
  refused('invalid-argument', ['64'], () => describeSource({ url: 'a', sha256: 'abc' }, undefined, base));
  refused('invalid-argument', ['headers'], () => describeSource({ url: 'a', headers: { a: 1 } }, undefined, base));
  refused('invalid-argument', ['headers'], () => describeSource({ url: 'a', headers: { 'a b': '1' } }, undefined, base));
  refused('invalid-argument', ['source'], () => describeSource(7, undefined, base));
  refused('invalid-argument', ['empty'], () => describeSource([], undefined, base));
});

test('hf: addresses', () => {
  const urlOf = (address, hub) => describeSource(address, undefined, undefined, hub);
  const at = (url, headers) => ({ kind: 'urls', parts: [{ url, ...(url.includes('/resolve/') && { pointer: url.replace('/resolve/', '/raw/') }) }], ...(headers && { headers }) });
  const hub = 'https://huggingface.co';
  assert.deepEqual(urlOf('hf:owner/repo/m.gguf'), at(`${hub}/owner/repo/resolve/main/m.gguf`));
  assert.deepEqual(urlOf('hf:owner/re.po-1/sub dir/m+1.gguf@v1.0'), at(`${hub}/owner/re.po-1/resolve/v1.0/sub%20dir/m%2B1.gguf`));
  assert.deepEqual(urlOf('HF:o/r/m.gguf@refs/pr/3'), at(`${hub}/o/r/resolve/refs%2Fpr%2F3/m.gguf`));
  assert.deepEqual(urlOf('hf:o/r/m.gguf', { baseUrl: 'http://mirror:8080/hf/', token: 'secret' }), at('http://mirror:8080/hf/o/r/resolve/main/m.gguf', { Authorization: 'Bearer secret' }));
  assert.deepEqual(urlOf('https://elsewhere/m.gguf', { token: 'secret' }), at('https://elsewhere/m.gguf'));
  assert.deepEqual(urlOf({ url: 'hf:o/r/m.gguf', headers: { Authorization: 'Basic x' } }, { token: 'secret' }).headers, { Authorization: 'Basic x' });
  assert.equal(urlOf('hf:o/r/m-00001-of-00012.gguf@abc').parts[11].url, `${hub}/o/r/resolve/abc/m-00012-of-00012.gguf`);
  for (const address of ['hf:', 'hf:o/m.gguf', 'hf:o/r/', 'hf:o//m.gguf', 'hf:o/r/../m.gguf', 'hf:../r/m.gguf', 'hf:o/r/m.gguf@', 'hf:o/r/m.gguf@../x', 'hf:o/r?x/m.gguf']) {
    refused('invalid-argument', ['hf:owner/repo'], () => urlOf(address));
  }
  for (const [options, word] of [[{ baseUrl: 'mirror' }, 'baseUrl'], [{ baseUrl: 'https://a/?b' }, 'baseUrl'], [{ token: 'a b' }, 'token'], [{ token: 7 }, 'token']]) {
    refused('invalid-argument', [word], () => checkLoadOptions({ hub: options }));
  }
  assert.throws(() => checkLoadOptions({ hub: { token: 'se cret' } }), ({ message }) => !message.includes('cret'));
  refused('unsupported-option', ['user'], () => checkLoadOptions({ hub: { user: 'x' } }));
});

test('the parts of a split model', () => {
  const urls = (url) => describeSource(url, undefined, undefined).parts.map((part) => part.url);
  assert.deepEqual(urls('https://a/m-00001-of-00003.gguf?x=1'), [1, 2, 3].map((number) => `https://a/m-0000${number}-of-00003.gguf?x=1`));
  assert.deepEqual(urls('https://a/m-00001-of-00001.gguf'), ['https://a/m-00001-of-00001.gguf']);
  assert.deepEqual(urls('https://a/m-1-of-3.gguf'), ['https://a/m-1-of-3.gguf']);
  assert.deepEqual(urls({ url: ['https://a/m-00001-of-00003.gguf', 'https://a/x'] }), ['https://a/m-00001-of-00003.gguf', 'https://a/x']);
  refused('invalid-argument', ['part 2', '00001-of-00003'], () => urls('https://a/m-00002-of-00003.gguf'));
  refused('invalid-argument', ['99999'], () => urls('https://a/m-00001-of-99999.gguf'));
  refused('invalid-argument', ['twice'], () => urls({ url: ['https://a/m', 'https://a/m'] }));
  const [one, two] = ['1', '2'].map((digit) => digit.repeat(64));
  assert.deepEqual(describeSource({ url: ['http://a/1', 'http://a/2'], sha256: [one, two] }, undefined, undefined).parts, [{ url: 'http://a/1', sha256: one }, { url: 'http://a/2', sha256: two }]);
  refused('invalid-argument', ['array of 2 hashes'], () => describeSource({ url: ['http://a/1', 'http://a/2'], sha256: one }, undefined, undefined));
  refused('invalid-argument', ['array of 2 hashes'], () => describeSource({ url: ['http://a/1', 'http://a/2'], sha256: [one] }, undefined, undefined));
});
