// The official client, which asks the page's own origin.
import OpenAI from 'openai';
import { provide } from 'pagelm/service-worker';
import { equal, failure, holds, run } from './cases.js';
import { endless, loadModels } from './models.js';
import { openaiCases } from './openai-cases.js';

run(async () => {
  await navigator.serviceWorker.register('./sw.js');
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }));
  const client = new OpenAI({ baseURL: `${location.origin}/v1`, apiKey: 'none', dangerouslyAllowBrowser: true, maxRetries: 0 });
  const request = { model: 'tiny', messages: [{ role: /** @type {const} */ ('user'), content: 'Hi' }], max_tokens: 8 };
  const absent = await failure(client.chat.completions.create(request));
  const models = await loadModels();
  const end = provide(models);
  const bias = await endless(models.tiny);
  return {
    async 'before a page provides a model'() {
      holds(absent instanceof OpenAI.APIError, String(absent));
      equal([absent.status, absent.code], [503, 'closed']);
    },
    ...openaiCases(client, bias),

    async 'what the wire carries'() {
      const post = (/** @type {string} */ body) => fetch('/v1/chat/completions', { method: 'POST', body });
      const streamed = await post(JSON.stringify({ ...request, stream: true }));
      equal([streamed.status, streamed.headers.get('content-type')], [200, 'text/event-stream; charset=utf-8']);
      holds(/^data: \{.*\n\n(.|\n)*data: \[DONE\]\n\n$/.test(await streamed.text()), 'server-sent events');
      const whole = await post(JSON.stringify(request));
      equal([whole.status, whole.headers.get('content-type')], [200, 'application/json']);
      equal((await post('{')).status, 400);
      equal((await fetch('/v1/embeddings', { method: 'POST', body: '{}' })).status, 404);
    },

    async 'other requests are left alone'() {
      equal((await fetch('./index.html')).status, 200);
    },

    async 'a signal'() {
      const controller = new AbortController();
      const began = performance.now();
      setTimeout(() => controller.abort(), 20);
      const error = await failure(client.chat.completions.create({ ...request, max_tokens: 450, logit_bias: bias }, { signal: controller.signal }));
      holds(error instanceof OpenAI.APIUserAbortError, String(error));
      holds(performance.now() - began < 1000, 'at once');
    },

    async 'a model that was closed'() {
      await models.tiny.close();
      const error = await failure(client.chat.completions.create(request));
      equal([error.status, error.code], [503, 'closed']);
      end();
      equal((await failure(client.chat.completions.create({ ...request, model: 'caller' }))).status, 503, 'nobody provides any more');
    },
  };
});
