import { generateText, jsonSchema, Output, streamText, tool } from 'ai';
import { PagelmError } from 'pagelm';
import { languageModel } from 'pagelm/ai-sdk';
import { equal, failure, holds, run } from './cases.js';
import { loadModels, weather } from './models.js';

run(async () => {
  const { tiny, caller, thinker } = await loadModels();
  const short = { model: languageModel(tiny, { modelId: 'tiny' }), prompt: 'Hi', maxOutputTokens: 8, temperature: 0, maxRetries: 0 };
  const tools = {
    weather: tool({ description: 'Tells it', inputSchema: jsonSchema(/** @type {any} */ (weather.function.parameters)), execute: async (input) => ({ sky: `blue over ${/** @type {any} */ (input).city}` }) }),
  };
  return {
    async 'generateText'() {
      const { text, finishReason, usage, response, warnings } = await generateText(short);
      holds(text !== '', 'there is text');
      equal([finishReason, usage.outputTokens, response.modelId, warnings ?? []], ['length', 8, 'tiny', []]);
      holds((usage.inputTokens ?? 0) > 0, 'input tokens');
    },

    async 'streamText'() {
      const { text } = await generateText(short);
      const result = streamText(short);
      let streamed = '';
      for await (const delta of result.textStream) streamed += delta;
      equal([streamed, await result.finishReason], [text, 'length']);
    },

    async 'an object'() {
      const schema = jsonSchema({
        $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', properties: { city: { type: 'string', enum: ['Paris', 'Rome'] } }, required: ['city'], additionalProperties: false,
      });
      const { output, warnings } = await generateText({ ...short, maxOutputTokens: 200, output: Output.object({ schema }) });
      holds(['Paris', 'Rome'].includes(/** @type {any} */ (output).city), JSON.stringify(output));
      equal(warnings ?? [], []);
    },

    async 'tools'() {
      const { text, toolCalls, toolResults, finishReason } = await generateText({ ...short, model: languageModel(caller), maxOutputTokens: 30, tools });
      equal([text, finishReason], ['Look.', 'tool-calls']);
      equal(toolCalls.map(({ toolName, input }) => [toolName, input]), [['weather', { city: 'Paris' }]]);
      equal(toolResults.map(({ output }) => output), [{ sky: 'blue over Paris' }]);
    },

    async 'tools in a stream, and a second step with their results'() {
      let steps = 0;
      const stopWhen = () => ++steps === 2;
      const result = streamText({ ...short, model: languageModel(caller), maxOutputTokens: 30, tools, stopWhen });
      const kinds = [];
      for await (const part of result.fullStream) kinds.push(part.type);
      equal(kinds.filter((kind) => kind === 'tool-call').length, 2, kinds.join(' '));
      holds(!kinds.includes('error'), kinds.join(' '));
    },

    async 'reasoning'() {
      const { text, reasoningText } = await generateText({ ...short, model: languageModel(thinker), maxOutputTokens: 30 });
      equal([reasoningText, text], ['Hm.', 'Yes.']);
      const result = streamText({ ...short, model: languageModel(thinker), maxOutputTokens: 30 });
      let [thoughts, answer] = ['', ''];
      for await (const part of result.fullStream) {
        if (part.type === 'reasoning-delta') thoughts += part.text;
        if (part.type === 'text-delta') answer += part.text;
      }
      equal([thoughts, answer], ['Hm.', 'Yes.']);
    },

    async 'options of pagelm'() {
      const options = { pagelm: { logitBias: { 5: 100 } } };
      const { text } = await generateText({ ...short, providerOptions: options });
      holds(text !== (await generateText(short)).text, text);
      equal((await failure(generateText({ ...short, providerOptions: { pagelm: { topQ: 1 } } }))).code, 'unsupported-option');
    },

    async 'warnings'() {
      // it calls the tool anyway, or the SDK would complain
      const { warnings } = await generateText({ ...short, model: languageModel(caller), maxOutputTokens: 30, tools, toolChoice: 'required' });
      equal((warnings ?? []).map((warning) => /** @type {any} */ (warning).feature), ['toolChoice']);
    },

    async 'failures'() {
      const error = await failure(generateText({ ...short, prompt: 'long '.repeat(2000) }));
      holds(PagelmError.isInstance(error) && error.code === 'context-overflow', String(error));
      const aborted = await failure(generateText({ ...short, maxOutputTokens: 400, abortSignal: AbortSignal.abort() }));
      equal(aborted.name, 'AbortError');
      /** @type {unknown[]} */
      const seen = [];
      const result = streamText({ ...short, prompt: 'long '.repeat(2000), onError: ({ error: one }) => { seen.push(one); } });
      for await (const _ of result.textStream) holds(false, 'no text');
      equal(seen.map((one) => PagelmError.isInstance(one) && /** @type {any} */ (one).code), ['context-overflow']);
    },
  };
});
