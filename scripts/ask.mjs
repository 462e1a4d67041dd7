// One question to a model in a headless Chromium, by the package's public API on a served page.
// PROMPT; BACKEND (auto, webgpu or cpu); MODEL (a .gguf file, else the default one); MAX_TOKENS.
// The answer goes to stdout as it comes, everything else to stderr.
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { projectRoot, serve } from '../tests/server/serve.mjs';
import { launchChromium } from './browser.mjs';

// `||`, because make passes on what is not given as an empty string
const prompt = process.env.PROMPT || '';
const backend = process.env.BACKEND || 'auto';
const maxTokens = process.env.MAX_TOKENS || '512';
const file = process.env.MODEL || '';
const defaultModel = JSON.parse(readFileSync(join(projectRoot, 'www/default-model.json'), 'utf8'));

/**
 * Runs in the page.
 * @param {{ url: string, prompt: string, backend: string, maxTokens: number }} question
 */
async function askInPage({ url, prompt, backend, maxTokens }) {
  const { load } = await import(/** @type {any} */ ('/pkg/dist/index.js'));
  const page = /** @type {any} */ (window);
  try {
    const model = await load(url, { backend, cache: 'none' });
    let finish;
    for await (const part of model.chat([{ role: 'user', content: prompt }], { maxTokens })) {
      if (part.type === 'text-delta') await page.writeText(part.text);
      if (part.type === 'finish') finish = part;
    }
    const { info } = model;
    await model.close();
    return { info, finish };
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    return { error: code ? `${message} (${code})` : String(message ?? error) };
  }
}

/** @param {number} tokens @param {number} ms */
const perSecond = (tokens, ms) => (ms > 0 ? (tokens / (ms / 1000)).toFixed(1) : '-');

async function main() {
  if (!prompt) throw new Error('PROMPT is empty; for example: make ask PROMPT="Why is the sky blue?"');
  if (!['auto', 'webgpu', 'cpu'].includes(backend)) throw new Error(`BACKEND is "${backend}"; it can be auto, webgpu or cpu`);
  if (!/^[1-9]\d*$/.test(maxTokens)) throw new Error(`MAX_TOKENS is "${maxTokens}"; it has to be a number above 0`);
  if (file && !statSync(file, { throwIfNoEntry: false })?.isFile()) throw new Error(`there is no file "${file}"; MODEL has to be the path of a .gguf file`);

  const path = resolve(file || join(projectRoot, 'models', defaultModel.file));
  const server = await serve({ roots: { '/': 'www', '/pkg/': 'pkg', '/model/': dirname(path) } });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) console.error(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => console.error(`error in the page: ${error.message}`));
    await page.exposeFunction('writeText', (/** @type {string} */ text) => { process.stdout.write(text); });
    await page.goto(`${server.origin}/blank.html`);

    const url = `${server.origin}/model/${encodeURIComponent(basename(path))}`;
    const { error, info, finish } = await page.evaluate(askInPage, { url, prompt, backend, maxTokens: Number(maxTokens) });
    if (error !== undefined) throw new Error(error);
    process.stdout.write('\n');
    const { promptTokens, promptMs, generatedTokens, generateMs, timeToFirstTokenMs } = finish.timings;
    console.error(`${info.name ?? basename(path)}, ${info.quantisation}, on ${info.backend}`
      + `${info.device ? ` (${info.device})` : ''}${info.threads > 1 ? `, ${info.threads} threads` : ''}: `
      + `${info.backendReason ?? 'no reason given'}`);
    console.error(`prompt ${promptTokens} tokens, ${perSecond(promptTokens, promptMs)} tokens/s; `
      + `answer ${generatedTokens} tokens, ${perSecond(generatedTokens, generateMs)} tokens/s; `
      + `first token after ${Math.round(timeToFirstTokenMs)} ms; ended by ${finish.reason}`);
  } finally {
    await browser.close();
    await server.close();
  }
}

main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
