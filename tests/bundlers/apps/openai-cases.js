// What a client of OpenAI's API has to get, whether it is the official one or the one in pagelm/openai.
import { equal, failure, holds } from './cases.js';
import { weather } from './models.js';

const messages = [{ role: /** @type {const} */ ('user'), content: 'Hi' }];
const short = { model: 'tiny', messages, max_tokens: 8, temperature: 0 };

/** @param {any} client @param {Record<string, number>} bias  that keeps the model from ending @returns {Record<string, () => Promise<void>>} */
export const openaiCases = (client, bias) => ({
  async 'a whole answer'() {
    const answer = await client.chat.completions.create(short);
    equal([answer.object, answer.model, answer.choices.length], ['chat.completion', 'tiny', 1]);
    const [{ message, finish_reason: reason }] = answer.choices;
    equal([message.role, reason], ['assistant', 'length']);
    holds(message.content.length > 0, 'there is text');
    const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = answer.usage;
    holds(prompt > 0 && completion === 8 && total === prompt + completion, JSON.stringify(answer.usage));
  },

  async 'a stream'() {
    const whole = await client.chat.completions.create(short);
    const chunks = await all(await client.chat.completions.create({ ...short, stream: true, stream_options: { include_usage: true } }));
    equal(chunks[0].choices[0].delta.role, 'assistant', 'the first chunk\'s role');
    equal(textOf(chunks), whole.choices[0].message.content, 'the text');
    equal(chunks.at(-2).choices[0].finish_reason, 'length', 'the reason');
    equal([chunks.at(-1).choices, chunks.at(-1).usage.completion_tokens], [[], 8], 'the usage');
    holds(new Set(chunks.map((chunk) => chunk.id)).size === 1, 'one id');
  },

  async 'a call of a tool'() {
    const request = { model: 'caller', messages, tools: [weather] };
    const { choices: [{ message, finish_reason: reason }] } = await client.chat.completions.create(request);
    const [{ id, ...call }] = message.tool_calls;
    holds(typeof id === 'string' && id !== '', 'an id');
    equal(call, { type: 'function', function: { name: 'weather', arguments: '{"city":"Paris"}' } });
    equal([message.content, reason], ['Look.', 'tool_calls']);
    const chunks = await all(await client.chat.completions.create({ ...request, stream: true }));
    const calls = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
    equal(calls.map(({ index, function: called }) => [index, called.name, called.arguments]), [[0, 'weather', '{"city":"Paris"}']]);
    equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls');
    const history = [...messages, { role: 'assistant', content: null, tool_calls: message.tool_calls }, { role: 'tool', tool_call_id: id, content: 'Sun' }];
    equal((await client.chat.completions.create({ ...request, messages: history })).choices[0].finish_reason, 'tool_calls', 'a second turn');
  },

  async 'reasoning'() {
    const { choices: [{ message }] } = await client.chat.completions.create({ model: 'thinker', messages });
    equal([message.reasoning_content, message.content], ['Hm.', 'Yes.']);
    const chunks = await all(await client.chat.completions.create({ model: 'thinker', messages, stream: true }));
    equal([chunks.map((chunk) => chunk.choices[0].delta.reasoning_content ?? '').join(''), textOf(chunks)], ['Hm.', 'Yes.']);
  },

  async 'response_format'() {
    const schema = {
      type: 'object', properties: { city: { enum: ['Paris', 'Rome'] }, sunny: { type: 'boolean' } }, required: ['city', 'sunny'], additionalProperties: false,
    };
    const request = { ...short, max_tokens: 200, response_format: { type: 'json_schema', json_schema: { name: 'weather', strict: true, schema } } };
    const { choices: [{ message, finish_reason: reason }] } = await client.chat.completions.create(request);
    const { city, sunny } = JSON.parse(message.content);
    holds(['Paris', 'Rome'].includes(city) && typeof sunny === 'boolean' && reason === 'stop', message.content);
    equal(textOf(await all(await client.chat.completions.create({ ...request, stream: true }))), message.content, 'as a stream');
    const { choices: [any] } = await client.chat.completions.create({ ...short, max_tokens: 30, response_format: { type: 'json_object' } });
    holds(any.message.content.trimStart().startsWith('{'), any.message.content);
    equal((await client.chat.completions.create({ ...short, response_format: { type: 'text' } })).choices[0].message.content.length > 0, true);
  },

  async 'log-probabilities'() {
    const { choices: [{ logprobs }] } = await client.chat.completions.create({ ...short, logprobs: true, top_logprobs: 2 });
    equal(logprobs.content.length, 8);
    holds(logprobs.content.every((/** @type {any} */ one) => one.logprob <= 0 && one.top_logprobs.length === 2 && typeof one.token === 'string'), 'each is one');
  },

  async 'stop texts and seeds'() {
    const { choices: [{ message: { content } }] } = await client.chat.completions.create(short);
    const stopped = await client.chat.completions.create({ ...short, stop: content.slice(2, 4) });
    equal([stopped.choices[0].message.content, stopped.choices[0].finish_reason], [content.slice(0, content.indexOf(content.slice(2, 4))), 'stop']);
    const random = () => client.chat.completions.create({ ...short, temperature: 1, seed: 5 });
    equal((await random()).choices[0].message.content, (await random()).choices[0].message.content, 'the same seed');
  },

  async 'failures'() {
    for (const [change, status, code] of /** @type {[object, number, string][]} */ ([
      [{ model: 'other' }, 404, 'model_not_found'],
      [{ temperature: 'hot' }, 400, 'invalid-argument'],
      [{ best_of: 2 }, 400, 'unsupported-option'],
      [{ n: 2 }, 400, 'unsupported-option'],
      [{ tool_choice: 'required' }, 400, 'unsupported-option'],
      [{ response_format: { type: 'grammar' } }, 400, 'unsupported-option'],
      [{ response_format: { type: 'json_object' }, tools: [weather] }, 400, 'unsupported-option'],
      [{ response_format: { type: 'json_schema' } }, 400, 'invalid-argument'],
      [{ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'banana' } } } }, 400, 'invalid-argument'],
      [{ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { properties: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [i, {}])) } } } }, 400, 'limit-exceeded'],
      [{ messages: [] }, 400, 'invalid-argument'],
      [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: '' } }] }] }, 400, 'unsupported-option'],
      [{ messages: [{ role: 'user', content: 'long '.repeat(2000) }] }, 400, 'context_length_exceeded'],
    ])) {
      for (const stream of [false, true]) {
        const error = await failure(client.chat.completions.create({ ...short, ...change, stream }));
        equal([error.status, error.error?.code], [status, code], `${JSON.stringify(change).slice(0, 80)}: ${error}`);
        equal(error.error.type, 'invalid_request_error');
      }
    }
  },

  async 'leaving a stream ends the answer'() {
    const long = { ...short, max_tokens: 400, logit_bias: bias };
    const began = performance.now();
    equal((await client.chat.completions.create(long)).usage.completion_tokens, 400, 'the whole answer');
    const whole = performance.now() - began;
    const stream = await client.chat.completions.create({ ...long, stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    // the next one waits for it
    const left = performance.now();
    await client.chat.completions.create({ ...short, max_tokens: 1 });
    const wait = performance.now() - left;
    holds(wait < whole / 2, `the next answer waited ${wait} ms, the whole one took ${whole} ms`);
  },

  async 'the list of models'() {
    equal((await client.models.list()).data.map((/** @type {any} */ { id }) => id), ['tiny', 'caller', 'thinker']);
  },
});

/** @param {AsyncIterable<any>} stream */
async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** @param {any[]} chunks */
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
