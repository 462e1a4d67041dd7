// usage: node tests/bench/tokenizer.mjs [--runs=5] [--model=FILE.gguf]
//
// How long the tokenizer of a model takes to build in WebAssembly, and how fast it encodes, in headless Chromium; by default
// Gemma 3's, whose vocabulary has 262,144 tokens. Building: the time that `Loader.prepare` takes, less the same with a
// tokenizer that is refused by name, so that memory for the model does not count. Encoding: `model.tokenize` by the package's
// API, from the page to its worker and back.
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { launchChromium } from '../../scripts/browser.mjs';
import { projectRoot, serve } from '../server/serve.mjs';

const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, '').split('=')));
const runs = Number(options.runs ?? 5);
const file = resolve(options.model ?? join(projectRoot, 'models/gemma-3-270m.Q4_K_M.gguf'));
if (!existsSync(file)) throw new Error(`${file} is missing; run "make model", or name a file with --model=`);

/** Texts of at least 2 MiB, as in tests/tokenizer_speed.rs, and where their parts are. */
const texts = {
  English: ['/repository/ARCHITECTURE.md', '/repository/README.md'],
  code: ['/repository/src/tokenizer/mod.rs', '/repository/pkg/src/worker.ts'],
  mixed: ['/repository/tests/goldens/tokenizers/qwen2.lines.json'],
};

/** In the page: milliseconds of `prepare`, of each run, as the file is and without its tokenizer. */
async function build({ url, runs }) {
  const { default: init, Loader } = await import('/pkg/dist/wasm/pagelm.js');
  await init();
  const response = await fetch(url);
  const fileBytes = Number(response.headers.get('content-length'));
  // the header: up to where the loader says that it is complete
  const reader = response.body.getReader();
  const pieces = [];
  const probe = new Loader({ backend: 'cpu', contextLength: 16, fileBytes });
  for (let done = false; !done;) {
    const { value } = await reader.read();
    pieces.push(value);
    done = probe.push(value);
  }
  await reader.cancel();
  probe.free();
  const header = new Uint8Array(await new Blob(pieces).arrayBuffer());
  // tokenizer.ggml.model, a string: type, 64-bit length, letters
  const key = new TextEncoder().encode('tokenizer.ggml.model');
  const at = header.findIndex((_, i) => key.every((byte, j) => header[i + j] === byte)) + key.length + 4 + 8;
  const without = header.slice();
  without[at] ^= 1;
  const time = async (bytes) => {
    const loader = new Loader({ backend: 'cpu', contextLength: 16, fileBytes });
    const start = performance.now();
    if (!loader.push(bytes)) throw new Error('the header is not complete');
    const parsed = performance.now();
    await loader.prepare();
    const prepared = performance.now();
    loader.free();
    return { parse: parsed - start, prepare: prepared - parsed };
  };
  const all = [];
  for (let run = 0; run < runs; run++) all.push({ whole: await time(header), without: await time(without) });
  return { headerBytes: header.length, all };
}

/** In the page: of each text its bytes, its tokens and the milliseconds of each run. */
async function encode({ url, runs, texts }) {
  const { load } = await import('/pkg/dist/index.js');
  const model = await load(url, { backend: 'cpu', cache: 'none' });
  if (model.info.tokenizerError) throw new Error(model.info.tokenizerError);
  const out = [];
  for (const [kind, parts] of Object.entries(texts)) {
    const part = (await Promise.all(parts.map(async (path) => (await fetch(path)).text()))).join('');
    const text = part.repeat(Math.ceil(2 ** 21 / part.length));
    const times = [];
    let tokens = 0;
    for (let run = 0; run < runs; run++) {
      const start = performance.now();
      tokens = (await model.tokenize(text)).length;
      times.push(performance.now() - start);
    }
    out.push({ kind, bytes: new TextEncoder().encode(text).length, tokens, times });
  }
  const { vocabularySize } = model.info;
  await model.close();
  return { vocabularySize, out };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const show = (values) => `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)})`;

const server = await serve({ roots: { '/': 'www', '/pkg/': 'pkg', '/models/': dirname(file), '/repository/': projectRoot } });
const browser = await launchChromium();
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`${server.origin}/blank.html`);
  const url = `/models/${basename(file)}`;
  const { headerBytes, all } = await page.evaluate(build, { url, runs });
  const { vocabularySize, out } = await page.evaluate(encode, { url, runs, texts });
  console.log(`${basename(file)}, ${vocabularySize} tokens, ${browser.version()}, ${runs} runs: median (least to most)`);
  console.log(`header of ${headerBytes} bytes: ${show(all.map((run) => run.whole.parse))} ms`);
  console.log(`prepare with the tokenizer ${show(all.map((run) => run.whole.prepare))} ms, without ${show(all.map((run) => run.without.prepare))} ms`);
  console.log(`tokenizer: ${show(all.map((run) => run.whole.prepare - run.without.prepare))} ms`);
  for (const { kind, bytes, tokens, times } of out) {
    const speed = times.map((ms) => bytes / 1e3 / ms);
    console.log(`${kind}: ${median(speed).toFixed(1)} MB/s (${Math.min(...speed).toFixed(1)} to ${Math.max(...speed).toFixed(1)}), ${bytes} bytes, ${tokens} tokens`);
  }
} finally {
  await browser.close();
  await server.close();
}
