import { PagelmError } from 'pagelm';
import { OpenAIError, openai } from 'pagelm/openai';
import { equal, failure, holds, run } from './cases.js';
import { endless, loadModels } from './models.js';
import { openaiCases } from './openai-cases.js';

run(async () => {
  const models = await loadModels();
  const client = openai(models);
  const request = { model: 'tiny', messages: [{ role: /** @type {const} */ ('user'), content: 'Hi' }], max_tokens: 200 };
  return {
    ...openaiCases(client, await endless(models.tiny)),

    async 'failures are PagelmErrors, too'() {
      const error = await failure(client.chat.completions.create({ ...request, model: 'other' }));
      holds(error instanceof OpenAIError && PagelmError.isInstance(error), 'both classes');
      equal([error.code, error.param], ['invalid-argument', 'model']);
    },

    async 'a signal'() {
      const error = await failure(client.chat.completions.create(request, { signal: AbortSignal.abort() }));
      equal(error.code, 'aborted');
      const stream = await client.chat.completions.create({ ...request, stream: true });
      let count = 0;
      for await (const _ of stream) if (++count === 3) stream.controller.abort();
      holds(count < 100, `${count} chunks after it was aborted at the third`);
    },

    async 'a single model answers to any name'() {
      const answer = await openai(models.caller).chat.completions.create({ ...request, model: 'anything' });
      equal(answer.model, 'anything');
    },
  };
});
