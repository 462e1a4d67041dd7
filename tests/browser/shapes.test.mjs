// One model of a whole size, with random weights, and how much memory it takes. `make shapes` runs the others.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { measure } from '../shapes/measure.mjs';
import { folder, write } from '../shapes/write.mjs';
import { missing } from './browsers.mjs';
import { realModel } from './paths.mjs';

/** What WebAssembly may take of the file's size on the CPU, beside keys and values. */
const HEAP_PER_FILE = 1.15;
/** How far the estimate may be off. */
const TOLERANCE = 0.1;
const JS_HEAP = 32e6;

test('Qwen3 0.6B Q4_0 on the CPU: runs, within its memory', { skip: missing('chromium'), timeout: 240_000 }, async (t) => {
  const path = join(folder, 'test-qwen3-0.6b-Q4_0.gguf');
  t.after(() => rmSync(path, { force: true }));
  const bytes = write('qwen3-0.6b', 'Q4_0', path);
  const m = await measure(path, { options: { backend: 'cpu' } });
  assert.equal(m.error, undefined, JSON.stringify(m.error));
  assert.deepEqual([m.tokens?.length, m.finite, m.info.quantisation, m.info.bytes], [2, true, 'Q4_0', bytes]);
  const { heap, cache } = m.inspection.backends.cpu.needs;
  t.diagnostic(`${bytes} bytes of file, ${m.heap} of WebAssembly, ${heap} reckoned, ${m.jsHeap} of JavaScript`);
  assert.ok(m.heap <= HEAP_PER_FILE * bytes + cache, `${m.heap} bytes of WebAssembly`);
  assert.ok(Math.abs(heap / m.heap - 1) <= TOLERANCE, `${heap} were reckoned, ${m.heap} are taken`);
  assert.ok(m.jsHeap > 0 && m.jsHeap <= JS_HEAP, `${m.jsHeap} bytes of JavaScript`);
});

test('the default model on WebGPU: the buffers that the browser makes, and all that it takes, are what was reckoned', { skip: missing('chromium'), timeout: 240_000 }, async (t) => {
  // keys and values of so many tokens are there from the beginning
  const m = await measure(realModel.file, { options: { backend: 'webgpu', contextLength: 512 } });
  assert.equal(m.error, undefined, JSON.stringify(m.error));
  const { gpu, heap } = m.inspection.backends.webgpu.needs;
  t.diagnostic(`${m.gpuPeak} bytes of buffers, ${gpu} reckoned; ${m.heap} of WebAssembly, ${heap} reckoned`);
  assert.ok(m.gpuPeak > 0 && Math.abs(gpu / m.gpuPeak - 1) <= TOLERANCE, `${gpu} were reckoned, ${m.gpuPeak} are taken`);
  // WebAssembly has the tokenizer and a piece on its way, which are a rule of thumb: a sixth too much for so small a model
  assert.ok(m.heap > 0 && Math.abs((gpu + heap) / (m.gpuPeak + m.heap) - 1) <= TOLERANCE, `${gpu + heap} were reckoned, ${m.gpuPeak + m.heap} are taken`);
  assert.ok(heap >= m.heap, 'not too little');
});
