// Loads models with the shapes of published ones, random weights, and prints what that takes.
//   node tests/shapes/run.mjs [NAME...] [--backends=cpu,webgpu] [--context=2048] [--tokens=2] [--keep]
//     NAME: qwen3-0.6b, or qwen3-0.6b:Q8_0; without any all but those that are only for their headers. Files are written when their turn comes and removed after it.
import { existsSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { measure } from './measure.mjs';
import { usual } from './quantisations.mjs';
import { shapes } from './shapes.mjs';
import { folder, write } from './write.mjs';

const flags = Object.fromEntries(process.argv.slice(2).filter((a) => a.startsWith('--')).map((a) => a.slice(2).split('=')));
const names = process.argv.slice(2).filter((a) => !a.startsWith('--'));
const backends = (flags.backends ?? 'cpu,webgpu').split(',');

const wanted = (names.length > 0 ? names : Object.keys(shapes).filter((name) => !shapes[name].onlyByName)).flatMap((name) => {
  const [shape, quantisation] = name.split(':');
  if (!shapes[shape]) throw new Error(`there is no shape ${shape}; there are ${Object.keys(shapes).join(', ')}`);
  return (quantisation ? [quantisation] : usual(shape)).map((one) => ({ shape, quantisation: one }));
});

const MB = 1e6;
const mb = (/** @type {number | undefined} */ bytes) => (bytes === undefined ? '' : (bytes / MB).toFixed(bytes < 100 * MB ? 1 : 0));
const percent = (/** @type {number} */ reckoned, /** @type {number} */ measured) => `${(100 * (reckoned / measured - 1)).toFixed(1)} %`;

/** How far the estimate of memory is off: of the heap on the CPU, of all buffers that were made on the GPU. */
function deviation(/** @type {import('./measure.mjs').Measured} */ m, /** @type {string} */ backend) {
  const taken = m.info?.backend ?? backend;
  const fit = m.inspection?.backends[taken];
  if (!fit || m.error) return '';
  if (taken === 'cpu') return percent(fit.needs.heap, m.heap);
  const { weights, cache, activations, gpu } = fit.needs;
  const toGrow = weights + cache + activations - m.info.memoryBytes; // keys and values, which a few tokens do not need
  return percent(gpu - toGrow, m.gpuPeak);
}

const columns = ['model', 'file', 'backend', 'heap', 'JS heap', 'GPU buffers', 'largest', 'memoryBytes', 'estimate off', 'load', 'first token', 'dispatches a token', 'weights a token', 'outcome'];
console.log(`In MB (1,000,000 bytes) and seconds; context of ${flags.context ?? 2048} tokens.\n`);
console.log(`| ${columns.join(' | ')} |\n|${columns.map(() => '---').join('|')}|`);

let failures = 0;
for (const { shape, quantisation } of wanted) {
  const path = join(folder, `${shape}-${quantisation}.gguf`);
  const { bavail, bsize } = statfsSync('.');
  if (bavail * bsize < 12e9) throw new Error(`only ${mb(bavail * bsize)} MB are free on this disk; 12,000 are wanted`);
  const was = existsSync(path);
  const bytes = write(shape, quantisation, path);
  try {
    for (const backend of backends) {
      const options = { backend, ...(flags.context && { contextLength: Number(flags.context) }) };
      const m = await measure(path, { options, maxTokens: Number(flags.tokens ?? 2) });
      const isRefusal = m.error?.code === 'out-of-memory' && m.sent < 0.05 * bytes;
      const isGood = m.error === undefined ? m.finite && m.tokens?.length === Number(flags.tokens ?? 2) : isRefusal;
      if (!isGood) failures += 1;
      const outcome = m.error ? `${isRefusal ? 'refused' : 'FAILED'} after ${mb(m.sent)} MB: ${m.error.code}: ${m.error.message}` : isGood ? 'runs' : 'FAILED: not finite';
      console.log(`| ${[
        `${shapes[shape].title} ${m.info?.quantisation ?? quantisation}`, mb(bytes), m.info && m.info.backend !== backend ? `${backend}: ${m.info.backend}` : backend, mb(m.heap), mb(m.jsHeap), mb(m.gpuPeak), mb(m.gpuLargest),
        mb(m.info?.memoryBytes), deviation(m, backend), m.loadMs === undefined ? '' : (m.loadMs / 1000).toFixed(1),
        m.timings === undefined ? '' : (m.timings.timeToFirstTokenMs / 1000).toFixed(1), m.token?.dispatches ?? '', mb(m.token?.weightBytes), outcome,
      ].join(' | ')} |`);
    }
  } finally {
    if (!was && !('keep' in flags)) rmSync(path, { force: true });
  }
}
process.exitCode = failures === 0 ? 0 : 1;
