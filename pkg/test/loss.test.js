// A GPU device that is lost: the page's half and the worker's half, as in model.test.js, over engines whose device can be lost.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { chooseAfterLoss, Instead } from '../build/backend.js';
import { loadInto } from '../build/load.js';
import { Engine, state } from './fake-engine.js';
import { Port } from './port.js';

const info = { architecture: 'fake', name: '', parameters: 1, quantisation: 'F32', contextLength: 64, vocabularySize: 65536, bytes: 0 };
const timings = { compileMs: 0, readMs: 1, uploadMs: 0 };
const ports = [];

/** Loads a model on WebGPU, and again on `after(losses)`; that is what `events` hears of, beside the page's callback. */
async function connect({ after = () => ({}), options = {} } = {}) {
  const events = [];
  const losses = [];
  const loadModel = async (message, emit, signal, count) => {
    losses.push(count);
    const { backend = 'webgpu', uses = Infinity, ...changed } = losses.length === 1 ? {} : await after(count, emit);
    if (losses.length > 1) state.uses = uses;
    return { engine: new Engine({ backend, fileBytes: 0 }, 0), result: { info: { ...info, backend, ...changed }, fromCache: false, loadMs: 1, timings } };
  };
  const model = await loadInto(() => {
    const port = new Port(loadModel);
    ports.push(port);
    return port;
  }, 'http://example.org/m.gguf', { backend: 'webgpu', onRecover: ({ type, ...rest }) => events.push([type, rest]), ...options });
  return { model, events, losses };
}

const types = (events) => events.map(([type]) => type);

afterEach(() => {
  for (const port of ports.splice(0)) port.terminate();
  Object.assign(state, { stepMs: 0, starts: [], stops: 0, uses: Infinity, lossCode: 'device-lost' });
});

const PROMPT = 'gf~ed~~cba';
const WHOLE = 'abc~~de~fg\x01';

// the first use is the prompt's, so that this is before each token, the first and the end included
for (let uses = 0; uses <= PROMPT.length + 2; uses += 1) {
  test(`a generation goes on: lost after ${uses} uses`, async () => {
    const { model, events } = await connect();
    const expected = await model.generate(PROMPT, { seed: 3, logprobs: 0 }).result();
    Object.assign(state, { uses, starts: [] });
    const generation = model.generate(PROMPT, { seed: 3, logprobs: 0 });
    const texts = [];
    for await (const part of generation) if (part.type === 'text-delta') texts.push(part.text);
    const { text, tokens, reason, usage, logprobs } = await generation.result();
    assert.equal(text, WHOLE);
    assert.equal(texts.join(''), WHOLE);
    const { timings: _, ...same } = expected;
    assert.deepEqual({ text, tokens, reason, usage, logprobs }, same);
    assert.deepEqual(types(events), ['lost', 'recovered']);
    assert.equal(events[0][1].reason, 'it was pulled out');
    assert.deepEqual(state.starts[1], state.starts[0]); // its seed is the same
    assert.equal(await model.generate('ok').text(), 'ko\x01');
  });
}

test('a device that refuses a command is as good as lost; other errors are none of the device', async () => {
  const { model, events } = await connect();
  Object.assign(state, { uses: 3, lossCode: 'gpu-failure' });
  assert.equal(await model.generate(PROMPT).text(), WHOLE);
  assert.deepEqual(types(events), ['lost', 'recovered']);
  Object.assign(state, { uses: 3, lossCode: 'not-finite' });
  await assert.rejects(model.generate(PROMPT).text(), { code: 'not-finite' });
  assert.deepEqual(types(events), ['lost', 'recovered']);
});

test('a chat goes on: its prompt is not rendered again, and reasoning stays apart', async () => {
  const { model } = await connect();
  const messages = [{ role: 'user', content: 'think' }];
  const expected = await model.chat(messages).result();
  Object.assign(state, { uses: 1 + 4, starts: [] }); // in the middle of the reasoning
  const { text, reasoning } = await model.chat(messages).result();
  assert.deepEqual([text, reasoning], [expected.text, expected.reasoning]);
  assert.equal(state.starts.length, 2);
  assert.deepEqual(state.starts[1], state.starts[0]);
});

test('info is of the model as it is now, before the page is told', async () => {
  const seen = [];
  const { model } = await connect({ after: () => ({ backend: 'cpu', backendReason: 'none came back' }), options: { onRecover: ({ type }) => seen.push([type, model.info.backend]) } });
  const before = model.info;
  state.uses = 3;
  assert.equal(await model.generate(PROMPT).text(), WHOLE);
  assert.deepEqual(seen, [['lost', 'webgpu'], ['recovered', 'cpu']]);
  assert.deepEqual([before.backend, model.info.backend, model.info.backendReason], ['webgpu', 'cpu', 'none came back']);
  assert.ok(Object.isFrozen(model.info));
});

test('logits and scores are computed once more, and what waits is answered', async () => {
  for (const call of [async (model) => assert.deepEqual(await model.logits([5, 6]), Float32Array.of(2, 0.5)), async (model) => assert.deepEqual(await model.score([5, 6]), Float32Array.of(-6))]) {
    const { model, events } = await connect({ after: (_, emit) => emit({ type: 'upload', loaded: 1, total: 1 }) ?? {} });
    state.uses = 0;
    const waiting = [model.tokenize('x'), model.generate('ab').text(), model.logits([1])];
    await call(model);
    const [tokens, text, logits] = await Promise.all(waiting);
    assert.deepEqual([tokens, text, logits.length], [[1, 120], 'ba\x01', 2]);
    assert.deepEqual(types(events), ['lost', 'upload', 'recovered']);
  }
});

test('each loss in a row is counted, and forgotten with the end of a generation', async () => {
  const uses = [2, 3, Infinity, 2, Infinity];
  const { model, losses } = await connect({ after: () => ({ uses: uses.shift() }) });
  state.uses = 4;
  assert.equal(await model.generate(PROMPT).text(), WHOLE);
  assert.deepEqual(losses, [0, 1, 2, 3]);
  state.uses = 1;
  assert.equal(await model.generate(PROMPT).text(), WHOLE);
  assert.deepEqual(losses, [0, 1, 2, 3, 1, 2]);
});

test('a device that is lost while the model is loaded again', async () => {
  const { model, losses } = await connect({ after: (count) => {
    if (count < 3) throw Object.assign(new Error('device-lost: again'), { code: 'device-lost' });
    return { backend: 'cpu' };
  } });
  state.uses = 4;
  assert.equal(await model.generate(PROMPT).text(), WHOLE);
  assert.deepEqual(losses, [0, 1, 2, 3]);
});

test('a device that is lost while the model is loaded: auto tries again, webgpu does not', async () => {
  for (const backend of ['auto', 'webgpu']) {
    const losses = [];
    const loadModel = async (message, emit, signal, count) => {
      losses.push(count);
      if (count < 1) throw Object.assign(new Error('device-lost: in between'), { code: 'device-lost' });
      return { engine: new Engine({ backend: 'cpu', fileBytes: 0 }, 0), result: { info: { ...info, backend: 'cpu' }, fromCache: false, loadMs: 1, timings } };
    };
    const loading = loadInto(() => (ports.push(new Port(loadModel)), ports.at(-1)), 'http://example.org/m.gguf', { backend });
    if (backend === 'auto') assert.equal((await loading).info.backend, 'cpu');
    else await assert.rejects(loading, { code: 'device-lost', message: 'in between' });
    assert.deepEqual(losses, backend === 'auto' ? [0, 1] : [0]);
  }
});

test('a model that WebGPU does not take after all is loaded once more as that says, whether it was lost before or not', async () => {
  const onCpu = { backend: 'cpu', reason: 'a shader that is none', mayFallBack: false };
  for (const isRecovery of [false, true]) {
    const calls = [];
    const loadModel = async (message, emit, signal, losses, instead) => {
      calls.push([losses, instead]);
      if (instead === undefined && calls.length > Number(isRecovery)) throw new Instead(onCpu, new Error('no'));
      const { backend, reason } = instead ?? { backend: 'webgpu', reason: '' };
      return { engine: new Engine({ backend, fileBytes: 0 }, 0), result: { info: { ...info, backend, backendReason: reason }, fromCache: false, loadMs: 1, timings } };
    };
    const model = await loadInto(() => (ports.push(new Port(loadModel)), ports.at(-1)), 'http://example.org/m.gguf', { backend: 'auto' });
    if (isRecovery) {
      state.uses = 3;
      assert.equal(await model.generate(PROMPT).text(), WHOLE);
    }
    assert.deepEqual([model.info.backend, model.info.backendReason], ['cpu', 'a shader that is none']);
    assert.deepEqual(calls, isRecovery ? [[0, undefined], [1, undefined], [1, onCpu]] : [[0, undefined], [0, onCpu]]);
    state.uses = Infinity;
  }
});

test('what cannot be loaded again fails with device-lost and the reason; the next call tries again', async () => {
  let isThere = false;
  const after = () => {
    if (!isThere) throw Object.assign(new Error('no answer.'), { code: 'network' });
    return {};
  };
  const { model, events } = await connect({ after });
  state.uses = 3;
  const lost = (error) => error.code === 'device-lost' && /network: no answer\)/.test(error.message) && /no answer/.test(error.cause.message);
  await assert.rejects(model.generate(PROMPT).text(), lost);
  await assert.rejects(model.logits([1]), lost);
  await assert.rejects(model.tokenize('x'), lost);
  assert.deepEqual(types(events), ['lost']);
  isThere = true;
  assert.equal(await model.generate(PROMPT).text(), WHOLE);
  assert.deepEqual(types(events), ['lost', 'recovered']);
});

test('another model in its place is refused', async () => {
  const { model } = await connect({ after: () => ({ bytes: 7 }) });
  state.uses = 3;
  await assert.rejects(model.generate(PROMPT).text(), (error) => error.code === 'device-lost' && /bytes 7 instead of 0/.test(error.message));
});

test('cancelled while the model is loaded again: at once, held text included', { timeout: 5000 }, async () => {
  let proceed;
  const { model } = await connect({ after: () => new Promise((resolve) => { proceed = () => resolve({}); }) });
  const controller = new AbortController();
  state.uses = 1 + 4; // 'abc' and a '~' that is held back
  const generation = model.generate(PROMPT, { signal: controller.signal });
  while (proceed === undefined) await new Promise((resolve) => { setTimeout(resolve, 1); });
  controller.abort();
  const { text, tokens, reason } = await generation.result();
  assert.deepEqual([text, tokens.length, reason], ['abc~', 4, 'aborted']);
  const next = model.generate('ok').text();
  proceed();
  assert.equal(await next, 'ko\x01');
  assert.equal(state.starts.length, 2); // nothing was begun for the one that had ended
});

test('cancelled in the step that finds the device gone: it waits for nothing', { timeout: 5000 }, async () => {
  const { model } = await connect({ after: () => new Promise(() => {}) });
  Object.assign(state, { uses: 1 + 4, stepMs: 20 });
  const generation = model.generate(PROMPT);
  let deltas = 0;
  for await (const part of generation) if (part.type === 'text-delta' && (deltas += 1) === 3) setTimeout(() => generation.stop(), 30);
  const { text, reason } = await generation.result();
  assert.deepEqual([text, reason], ['abc~', 'aborted']);
});

test('closed while the model is loaded again', { timeout: 5000 }, async () => {
  let isLoading = false;
  const { model } = await connect({ after: () => { isLoading = true; return new Promise(() => {}); } });
  state.uses = 3;
  const generation = assert.rejects(model.generate(PROMPT).text(), { code: 'closed' });
  while (!isLoading) await new Promise((resolve) => { setTimeout(resolve, 1); });
  await model.close();
  await generation;
});

const gpu = (adapter) => ({ requestAdapter: async () => adapter });
const software = gpu({ info: { vendor: 'google', architecture: 'swiftshader' } });
const hardware = gpu({ info: { vendor: 'acme', architecture: 'rocket', isFallbackAdapter: false } });

for (const [name, wanted, source, losses, backend, reason] of [
  ['another device', 'auto', hardware, 2, 'webgpu', /another device.*acme rocket/],
  ['too many', 'auto', hardware, 3, 'cpu', /3 WebGPU devices in a row/],
  ['no adapter', 'auto', gpu(null), 1, 'cpu', /no WebGPU adapter/],
  ['no adapter, by name', 'webgpu', gpu(null), 1, 'cpu', /no WebGPU adapter/],
  ['only an emulation', 'auto', software, 1, 'cpu', /emulation \(google swiftshader\)/],
  ['only an emulation, by name', 'webgpu', software, 1, 'webgpu', /google swiftshader/],
]) {
  test(`the backend after a loss: ${name}`, async () => {
    const choice = await chooseAfterLoss(wanted, source, losses);
    assert.equal(choice.backend, backend);
    assert.match(choice.reason, reason);
    assert.equal(choice.mayFallBack, backend === 'webgpu');
  });
}
