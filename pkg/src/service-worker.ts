/**
 * An OpenAI endpoint inside the origin: a service worker answers `fetch('/v1/chat/completions')` with a model of one of its
 * pages, so that the official client works without a server.
 *
 * ```js
 * // sw.js, a service worker
 * import { serve } from 'pagelm/service-worker';
 * serve();
 *
 * // the page
 * import { load } from 'pagelm';
 * import { provide } from 'pagelm/service-worker';
 * await navigator.serviceWorker.register('/sw.js', { type: 'module' });
 * provide(await load('/models/qwen3-0.6b.gguf'));
 * const client = new OpenAI({ baseURL: `${location.origin}/v1`, apiKey: 'none', dangerouslyAllowBrowser: true });
 * ```
 */
export { provide } from './service-worker/provide.js';
export { serve } from './service-worker/serve.js';
export type { ServeOptions } from './service-worker/serve.js';
export type { Models } from './openai.js';
