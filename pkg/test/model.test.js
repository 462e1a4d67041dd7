// The page's half and the worker's half, joined by a message channel instead of a worker.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { loadInto } from '../build/load.js';
import { PagelmError } from '../build/errors.js';
import { Engine, state } from './fake-engine.js';
import { Port } from './port.js';

const info = { architecture: 'fake', vocabularySize: 65536, backend: 'cpu', backendReason: '' };
const instant = async () => ({ engine: new Engine({ backend: 'cpu', fileBytes: 0 }, 0), result: { info, fromCache: false, loadMs: 1, timings: { compileMs: 0, readMs: 1, uploadMs: 0 } } });
const ports = [];

async function connect(loadModel = instant, options = {}) {
  let port;
  const model = await loadInto(() => {
    port = new Port(loadModel);
    ports.push(port);
    return port;
  }, 'http://example.org/m.gguf', options);
  return { model, port };
}

afterEach(() => {
  for (const port of ports.splice(0)) port.terminate();
  Object.assign(state, { stepError: undefined, stepMs: 0, starts: [], stops: 0, uses: Infinity });
});

test('calls', async () => {
  const { model } = await connect();
  assert.deepEqual(await model.tokenize('hi'), [1, 104, 105]);
  assert.deepEqual(await model.tokenize('hi', { addSpecial: false, parseSpecial: false }), [104, 105, 2]);
  assert.equal(await model.detokenize([104, 105]), 'hi');
  assert.equal(await model.applyChatTemplate([{ role: 'user', content: 'a' }], { tools: [1, 2] }), 'user:a;tools:2;>');
  assert.deepEqual(await model.logits([5, 6]), Float32Array.of(2, 0.5));
  assert.deepEqual(await model.score([5, 6, 7]), Float32Array.of(-6, -7));
  assert.equal(await model.counters(), null);
  assert.ok(Object.isFrozen(model.info));
  await assert.rejects(model.tokenize(1), { code: 'invalid-argument' });
  await assert.rejects(model.logits([]), { code: 'invalid-argument' });
  await assert.rejects(model.logits([65536]), { code: 'invalid-argument' });
});

test('generate: text, tokens and chat', async () => {
  const { model } = await connect();
  assert.equal(await model.generate('abc').text(), 'cba\x01');
  assert.equal(await model.generate([97, 98]).text(), 'ba');
  assert.equal(await model.chat([{ role: 'user', content: 'a' }]).text(), '>;a:resu');
});

test('generate: how far the prompt is, to whom asks for it', async () => {
  const { model } = await connect();
  const told = [];
  await model.generate([97, 98, 99], { onProgress: (event) => told.push(event) }).result();
  // the fake engine says of its first step that one token is done
  assert.deepEqual(told, [0, 1, 3].map((loaded) => ({ type: 'prompt', loaded, total: 3 })));
  await assert.rejects(model.generate([97], { onProgress: 1 }).result(), { code: 'invalid-argument' });
  const other = model.generate([97, 98, 99], { onProgress: () => other.stop() });
  assert.equal((await other.result()).reason, 'aborted');
});

test('chat: reasoning apart from the answer, variables for the template', async () => {
  const { model } = await connect();
  const messages = [{ role: 'user', content: 'think' }];
  const generation = model.chat(messages, { enableThinking: true, templateOptions: { effort: 'low' } });
  const types = [];
  for await (const part of generation) if (part.type !== types.at(-1)) types.push(part.type);
  const { text, reasoning } = await generation.result();
  assert.deepEqual(types, ['reasoning-delta', 'text-delta', 'finish']);
  const prompt = 'user:think;{"effort":"low","enable_thinking":true};>';
  assert.equal(`${reasoning};${text}`, [...prompt].reverse().join(''));
  assert.equal(await model.applyChatTemplate(messages, { enableThinking: true, templateOptions: { effort: 'low' } }), prompt);
  assert.equal(state.starts[0].options.chatPrompt, prompt);
  const raw = await model.generate(prompt).result();
  assert.deepEqual(['reasoning' in raw, state.starts[1].options.chatPrompt], [false, undefined]);
  await assert.rejects(model.generate('a', { enableThinking: true }).text(), { code: 'unsupported-option' });
});

test('a result has tokens, usage, timings and log-probabilities', async () => {
  const { model } = await connect();
  state.stepMs = 2;
  const result = await model.generate([97, 98, 99], { maxTokens: 2, logprobs: 1 }).result();
  assert.deepEqual([result.text, result.tokens, result.reason], ['cb', [99, 98], 'length']);
  assert.deepEqual(result.usage, { promptTokens: 3, cachedTokens: 0, generatedTokens: 2 });
  const { promptMs, generateMs, timeToFirstTokenMs, ...counts } = result.timings;
  assert.deepEqual(counts, result.usage);
  assert.ok(promptMs > 0 && generateMs > 0 && timeToFirstTokenMs > promptMs, JSON.stringify(result.timings));
  assert.deepEqual(result.logprobs.map(({ token, logprob, top }) => [token, logprob, top.length]), [[99, -99, 1], [98, -98, 1]]);
});

test('a seed is made when none is given, and kept when one is', async () => {
  const { model } = await connect();
  await model.generate([97]).text();
  await model.generate([97]).text();
  await model.generate([97], { seed: 7 }).text();
  const seeds = state.starts.map(({ options }) => options.seed);
  assert.ok(Number.isInteger(seeds[0]) && seeds[0] !== seeds[1], String(seeds));
  assert.equal(seeds[2], 7);
});

test('generations run one after another; tokenize runs between their tokens', async () => {
  const { model } = await connect();
  state.stepMs = 3;
  const order = [];
  const first = model.generate('abcdef').text().then(() => order.push('first'));
  const logits = model.logits([1]).then(() => order.push('logits'));
  const second = model.generate('a').text().then(() => order.push('second'));
  const tokenized = model.tokenize('x').then(() => order.push('tokenize'));
  await Promise.all([first, logits, second, tokenized]);
  assert.deepEqual(order, ['tokenize', 'first', 'logits', 'second']);
});

test('abort while generating: finish says so, the text so far is kept, held text included', async () => {
  const { model } = await connect();
  state.stepMs = 5;
  const controller = new AbortController();
  const generation = model.generate('xxxxxxxxxxxxxxx~~ba', { signal: controller.signal });
  const parts = [];
  for await (const part of generation) {
    parts.push(part);
    if (part.text === 'b') setTimeout(() => controller.abort(), 8);
  }
  assert.equal(parts.at(-1).type, 'finish');
  assert.equal(parts.at(-1).reason, 'aborted');
  assert.equal(state.stops, 1);
  const text = await generation.text();
  assert.ok(text.startsWith('ab') && text.length < 15, text);
  assert.equal(text, parts.map((part) => part.text ?? '').join(''));
  assert.equal(await model.generate('ok').text(), 'ko\x01'); // the engine is free again
});

test('abort before generating: nothing is sent', async () => {
  const { model, port } = await connect();
  const result = await model.generate('abc', { signal: AbortSignal.abort() }).result();
  assert.deepEqual([result.reason, result.text, result.usage.promptTokens], ['aborted', '', 0]);
  assert.deepEqual(port.sent, ['load']);
});

test('abort while waiting for another generation: at once', { timeout: 5000 }, async () => {
  const { model } = await connect();
  state.stepMs = 5;
  const controller = new AbortController();
  const order = [];
  const first = model.generate('abcdef').text().then(() => order.push('first'));
  const second = model.generate('abc', { signal: controller.signal }).result().then(({ reason }) => order.push(reason));
  setTimeout(() => controller.abort(), 5);
  await Promise.all([first, second]);
  assert.deepEqual(order, ['aborted', 'first']);
  assert.equal(state.starts.length, 1);
});

test('break stops the engine', async () => {
  const { model } = await connect();
  for (const stepMs of [2, 0]) {
    state.stepMs = stepMs;
    const generation = model.generate('x'.repeat(60));
    for await (const part of generation) if (part.type === 'text-delta') break;
    const result = await generation.result();
    assert.equal(result.reason, 'aborted');
    assert.ok(result.tokens.length < 40, `${result.tokens.length} tokens with steps of ${stepMs} ms`);
  }
});

test('wrong options reject the generation; they do not throw', async () => {
  const { model, port } = await connect();
  await assert.rejects(model.generate('a', { max_tokens: 1 }).text(), { code: 'unsupported-option' });
  await assert.rejects(model.generate([]).result(), { code: 'invalid-argument' });
  await assert.rejects(model.chat([]).text(), { code: 'invalid-argument' });
  await assert.rejects(async () => { for await (const _ of model.generate(1)); }, { code: 'invalid-argument' });
  assert.deepEqual(port.sent, ['load']);
});

test('an engine error ends one generation and not the next', async () => {
  const { model } = await connect();
  await assert.rejects(model.generate(Array(64).fill(97)).text(), { code: 'context-overflow', message: '64 tokens' });
  state.stepError = Object.assign(new Error('NaN'), { code: 'not-finite' });
  await assert.rejects(model.generate('a').text(), { code: 'not-finite' });
  state.stepError = undefined;
  assert.equal(await model.generate([97]).text(), 'a');
});

test('a trap ends the worker and everything that is pending', async () => {
  const { model, port } = await connect();
  state.stepMs = 2;
  state.stepError = new WebAssembly.RuntimeError('unreachable');
  const first = assert.rejects(model.generate('a').text(), (error) => error.code === 'worker-failed' && /unreachable/.test(error.message));
  const second = assert.rejects(model.generate('b').text(), { code: 'worker-failed' });
  const logits = assert.rejects(model.logits([1]), { code: 'worker-failed' });
  await Promise.all([first, second, logits]);
  assert.ok(port.terminated);
  await assert.rejects(model.tokenize('x'), { code: 'worker-failed' });
});

test('an error event of the worker rejects everything', async () => {
  const { model, port } = await connect();
  state.stepMs = 5;
  const pending = [model.generate('abc').text(), model.tokenize('a'), model.logits([1])];
  port.dispatchEvent(Object.assign(new Event('error', { cancelable: true }), { message: 'script error' }));
  for (const promise of pending) await assert.rejects(promise, (error) => PagelmError.isInstance(error) && error.code === 'worker-failed' && /script error/.test(error.message));
});

test('close: pending calls reject, later ones too, twice is fine', async () => {
  const { model, port } = await connect();
  state.stepMs = 5;
  const pending = [model.generate('abc').text(), model.score([1, 2])];
  const settled = pending.map((promise) => assert.rejects(promise, { code: 'closed' }));
  await model.close();
  await model.close();
  await Promise.all(settled);
  assert.ok(port.terminated);
  await assert.rejects(model.tokenize('a'), { code: 'closed' });
  await assert.rejects(model.generate('a').text(), { code: 'closed' });
});

test('load: an error ends the worker', async () => {
  const failing = async () => { throw Object.assign(new Error('invalid-gguf: no magic'), { code: 'invalid-gguf' }); };
  await assert.rejects(connect(failing), { code: 'invalid-gguf', message: 'no magic' });
  assert.ok(ports[0].terminated);
});

test('load: abort before, nothing is started', async () => {
  await assert.rejects(connect(instant, { signal: AbortSignal.abort('why') }), { code: 'aborted', cause: 'why' });
  assert.equal(ports.length, 0);
});

test('load: abort while loading waits for the worker to clean up', async () => {
  let cleaned = false;
  const slow = (message, emit, signal) => new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => setTimeout(() => { cleaned = true; reject(signal.reason); }, 20));
  });
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 10);
  await assert.rejects(connect(slow, { signal: controller.signal }), { code: 'aborted' });
  assert.ok(cleaned && ports[0].terminated);
});

test('load: a worker that does not answer an abort is ended', { timeout: 5000 }, async () => {
  await assert.rejects(connect(() => new Promise(() => {}), { signal: AbortSignal.timeout(10) }), { code: 'aborted' });
  assert.ok(ports[0].terminated);
});

test('load: progress, then ready; a callback that throws does not stop it', async () => {
  const events = [];
  const telling = async (message, emit) => {
    emit({ type: 'upload', loaded: 1, total: 1 });
    return instant();
  };
  const uncaught = [];
  // The test runner takes every uncaught exception for a failure, so this one is caught on its way.
  const { queueMicrotask } = globalThis;
  globalThis.queueMicrotask = (job) => { try { job(); } catch (error) { uncaught.push(error.message); } };
  await connect(telling, { onProgress: (event) => { events.push(event); if (event.type === 'upload') throw new Error('mine'); } });
  globalThis.queueMicrotask = queueMicrotask;
  assert.deepEqual(events, [{ type: 'upload', loaded: 1, total: 1 }, { type: 'ready', info, fromCache: false, loadMs: 1, timings: { compileMs: 0, readMs: 1, uploadMs: 0 } }]);
  assert.deepEqual(uncaught, ['mine']);
});

test('calls of tools are parts with names of their own', async () => {
  const { model } = await connect();
  const tools = [{ type: 'function', function: { name: 'add' } }];
  const generation = model.chat([{ role: 'user', content: 'a!b' }], { tools });
  const parts = [];
  for await (const part of generation) parts.push(part);
  const { toolCalls, reason, text } = await generation.result();
  assert.equal(reason, 'tool-calls');
  assert.equal(toolCalls.length, 1);
  assert.match(toolCalls[0].id, /^[A-Za-z0-9]{9}$/);
  assert.deepEqual({ ...toolCalls[0], id: '' }, { type: 'tool-call', id: '', name: 'add', arguments: '{}' });
  assert.deepEqual(parts.filter((part) => part.type === 'tool-call'), toolCalls);
  assert.ok(text.includes('b') && !text.includes('!'), text);
  assert.equal((await model.chat([{ role: 'user', content: 'a!b' }]).result()).reason, 'stop');
});
