import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GenerationStream } from '../build/stream.js';
import { PagelmError } from '../build/errors.js';

const usage = { promptTokens: 1, cachedTokens: 0, generatedTokens: 2 };
const end = { reason: 'stop', usage, timings: { ...usage, promptMs: 1, generateMs: 2, timeToFirstTokenMs: 3 } };

async function partsOf(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

test('parts that came before and after the reader, then finish', async () => {
  const stream = new GenerationStream(() => assert.fail('nobody stopped it'));
  stream.delta({ reasoning: '', text: 'a', tokens: [1] });
  const reading = partsOf(stream);
  await Promise.resolve();
  stream.delta({ reasoning: '', text: '', tokens: [2] });
  stream.delta({ reasoning: '', text: 'b', tokens: [3] });
  stream.finish(end);
  const parts = await reading;
  assert.deepEqual(parts, [{ type: 'text-delta', text: 'a' }, { type: 'text-delta', text: 'b' }, { type: 'finish', ...end }]);
  assert.equal(await stream.text(), 'ab');
  assert.deepEqual(await stream.result(), { text: 'ab', tokens: [1, 2, 3], ...end });
});

test('text() without iteration, any number of times', async () => {
  const stream = new GenerationStream(() => {});
  const first = stream.text();
  stream.delta({ reasoning: '', text: 'x', tokens: [1] });
  stream.finish(end);
  assert.deepEqual([await first, await stream.text()], ['x', 'x']);
});

test('a second iteration is an error', async () => {
  const stream = new GenerationStream(() => {});
  stream.finish(end);
  await partsOf(stream);
  await assert.rejects(partsOf(stream), { code: 'invalid-argument' });
});

test('break asks for the end once; result() has what was generated', async () => {
  let cancels = 0;
  const stream = new GenerationStream(() => { cancels += 1; });
  stream.delta({ reasoning: '', text: 'a', tokens: [1] });
  stream.delta({ reasoning: '', text: 'b', tokens: [2] });
  for await (const part of stream) {
    assert.equal(part.text, 'a');
    break;
  }
  stream.stop();
  assert.equal(cancels, 1);
  stream.delta({ reasoning: '', text: 'c', tokens: [3] });
  stream.finish({ ...end, reason: 'aborted' });
  const result = await stream.result();
  assert.deepEqual([result.text, result.reason], ['abc', 'aborted']);
});

test('reading to the end does not cancel', async () => {
  let cancels = 0;
  const stream = new GenerationStream(() => { cancels += 1; });
  stream.finish(end);
  await partsOf(stream);
  stream.stop();
  assert.equal(cancels, 0);
});

test('a failure comes after the buffered parts, to every reader', async () => {
  const stream = new GenerationStream(() => {});
  stream.delta({ reasoning: '', text: 'a', tokens: [1] });
  stream.fail(new PagelmError('gpu-failure', 'lost'));
  const seen = [];
  await assert.rejects(async () => {
    for await (const part of stream) seen.push(part.text);
  }, { code: 'gpu-failure' });
  assert.deepEqual(seen, ['a']);
  await assert.rejects(stream.text(), { code: 'gpu-failure' });
  await assert.rejects(stream.result(), { code: 'gpu-failure' });
});

test('a failure reaches a reader that waits', async () => {
  const stream = new GenerationStream(() => {});
  const reading = partsOf(stream);
  await Promise.resolve();
  stream.fail(new PagelmError('worker-failed', 'dead'));
  await assert.rejects(reading, { code: 'worker-failed' });
});

test('a failure that nobody reads is no unhandled rejection', async () => {
  const unhandled = [];
  const listen = (reason) => unhandled.push(reason);
  process.on('unhandledRejection', listen);
  new GenerationStream(() => {}).fail(new PagelmError('closed', ''));
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', listen);
  assert.deepEqual(unhandled, []);
});

test('log-probabilities leave with the next text, and all with the result', async () => {
  const stream = new GenerationStream(() => {});
  const of = (token) => ({ token, logprob: -1, top: [] });
  stream.delta({ reasoning: '', text: '', tokens: [1], logprobs: [of(1)] });
  stream.delta({ reasoning: '', text: 'ab', tokens: [2], logprobs: [of(2)] });
  stream.delta({ reasoning: '', text: 'c', tokens: [3], logprobs: [of(3)] });
  stream.finish(end);
  const parts = await partsOf(stream);
  assert.deepEqual(parts.slice(0, 2).map(({ logprobs }) => logprobs), [[of(1), of(2)], [of(3)]]);
  assert.deepEqual((await stream.result()).logprobs, [of(1), of(2), of(3)]);
});

test('reasoning comes before text, in parts and in a result of its own', async () => {
  const stream = new GenerationStream(() => {});
  const of = (token) => ({ token, logprob: -1, top: [] });
  stream.delta({ reasoning: 'a', text: '', tokens: [1], logprobs: [of(1)] });
  stream.delta({ reasoning: 'b', text: 'c', tokens: [2], logprobs: [of(2)] });
  stream.finish(end);
  const parts = await partsOf(stream);
  assert.deepEqual(parts.slice(0, 3), [
    { type: 'reasoning-delta', text: 'a', logprobs: [of(1)] },
    { type: 'reasoning-delta', text: 'b', logprobs: [of(2)] },
    { type: 'text-delta', text: 'c', logprobs: [] },
  ]);
  const { text, reasoning, logprobs } = await stream.result();
  assert.deepEqual([text, reasoning, logprobs], ['c', 'ab', [of(1), of(2)]]);
  assert.equal(await stream.text(), 'c');
});
