// Runs in the page: calls of tools, written by a model that says what it is told to.
import { load } from '/pkg/dist/index.js';
import { build, scriptedModel } from './gguf.js';
import { equal, fails, holds } from './in-page.js';

const call = '{"name":"weather","arguments":{"city":"Paris"}}';
const pieces = ['I', 'look', '<tool_call>', call.slice(0, 20), call.slice(20), '</tool_call>', 'Done'];
const template = '{% for tool in tools %}{% if false %}<tool_call>{% endif %}{% endfor %}<|go|>';
const tools = [{ type: /** @type {const} */ ('function'), function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }];
const messages = [{ role: /** @type {const} */ ('user'), content: 'Weather?' }];

/** @param {string[]} script @param {object} [options] @param {object} [loading] */
const scripted = (script, options, loading) =>
  load(new Blob([/** @type {BlobPart} */ (build(scriptedModel(script, options)))]), { backend: 'cpu', ...loading });

/** @type {Record<string, () => Promise<void>>} */
export const cases = {
  async 'a call is a part, and the reason'() {
    for (const special of [[], ['<tool_call>', '</tool_call>']]) {
      const model = await scripted(pieces, { special, template });
      const generation = model.chat(messages, { tools });
      const parts = [];
      for await (const part of generation) parts.push(part);
      const { text, toolCalls, reason } = await generation.result();
      equal(parts.map((part) => ('text' in part ? part.text : part.type)), ['I', 'look', 'tool-call', 'Done', 'finish'], 'the parts');
      equal([text, reason], ['IlookDone', 'tool-calls'], 'text and reason');
      const [{ id, ...rest }] = toolCalls ?? [];
      equal(rest, { type: 'tool-call', name: 'weather', arguments: '{"city":"Paris"}' }, 'the call');
      holds(/^[A-Za-z0-9]{9}$/.test(id), `an id: ${id}`);
      equal(parts[2], toolCalls?.[0], 'part and result');
      await model.close();
    }
  },

  async 'without tools it is text'() {
    const model = await scripted(pieces, { template });
    const { text, toolCalls, reason } = await model.chat(messages).result();
    equal([text, toolCalls, reason], [pieces.join(''), undefined, 'stop']);
    await model.close();
  },

  async 'what is no call is text'() {
    const model = await scripted(['<tool_call>', '{"name":7}', '</tool_call>'], { special: ['<tool_call>', '</tool_call>'], template });
    const { text, toolCalls, reason } = await model.chat(messages, { tools }).result();
    equal([text, toolCalls, reason], ['<tool_call>{"name":7}</tool_call>', undefined, 'stop']);
    await model.close();
  },

  async 'a call that is cut off is text'() {
    const model = await scripted(pieces, { template });
    const { text, toolCalls, reason } = await model.chat(messages, { tools, maxTokens: 4 }).result();
    equal([text, toolCalls, reason], [pieces.slice(0, 4).join(''), undefined, 'length']);
    await model.close();
  },

  async 'a template without tools refuses them'() {
    const model = await scripted(pieces, { template: '<|go|>' });
    const error = await fails('invalid-argument', model.chat(messages, { tools }).result());
    holds(error.message.includes('tools'), error.message);
    equal(await model.chat(messages, { tools: [] }).text(), pieces.join(''), 'no tools at all');
    await model.close();
  },
};

/** @param {string} name */
export const run = (name) => cases[name]();
