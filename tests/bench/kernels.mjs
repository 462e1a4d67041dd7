// usage: node tests/bench/kernels.mjs [--variant=relaxed|baseline] [--types=Q4_0,Q4_K] [--rows=1024] [--cols=4096] [--ms=60] [--build=no]
//
// Every tensor type's products on one core, in a headless Chromium: GEMV (one row of activations) and GEMM (64 rows)
// with a matrix that the caches hold, and GEMV with copies that they do not. Two operations a multiply-add. Beside them
// what the machine does at most: a plain read of memory, which a GEMV from DRAM cannot pass. Nothing else should be running.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { launchChromium } from '../../scripts/browser.mjs';
import { projectRoot, serve } from '../server/serve.mjs';

const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, '').split('=')));
const { variant = 'relaxed', rows = 1024, cols = 4096, ms = 60, types = '', build = 'yes' } = options;
const out = join(projectRoot, 'tests/out/kernels', variant);
if (build !== 'no') {
  execFileSync(join(projectRoot, 'scripts/build-kernels.sh'), [out], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PAGELM_VARIANT: variant },
  });
}

const server = await serve({ roots: { '/': 'www', '/kernels/': out } });
const browser = await launchChromium();
const number = (value, digits = 1) => value.toFixed(digits).padStart(8);
try {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/blank.html`);
  const names = await page.evaluate(setUp, { ms: Number(ms) });
  const roof = await page.evaluate(() => window.stream());
  console.log(`${variant}, ${browser.version()}, ${rows} x ${cols}; plain read of memory: ${roof.toFixed(1)} GB/s`);
  console.log('type        bits   GEMV     GEMM  Gop/s | from DRAM  Gop/s     GB/s   of a plain read');
  for (const name of types === '' ? names : types.split(',')) {
    const r = await page.evaluate((args) => window.products(args), { name, rows: Number(rows), cols: Number(cols) });
    const bandwidth = (r.dram / 2) * (r.bits / 8);
    console.log(`${name.padEnd(9)} ${number(r.bits, 2)} ${number(r.gemv)} ${number(r.gemm)}       | ${number(r.dram).padStart(16)} ${number(bandwidth)} ${number((100 * bandwidth) / roof, 0)} %`);
  }
} finally {
  await browser.close();
  await server.close();
}

/** In the page: loads the module and defines what is measured. */
async function setUp({ ms }) {
  const { default: init, types, Products, Stream } = await import('/kernels/kernels.js');
  await init();
  /** Seconds of one call: the best of five runs of about `ms`, since whatever disturbs makes them longer. */
  const time = (run) => {
    run(1);
    let times = 1;
    for (;;) {
      const start = performance.now();
      run(times);
      const took = performance.now() - start;
      if (took > ms / 4) { times = Math.max(1, Math.round((times * ms) / took)); break; }
      times *= 4;
    }
    let best = Infinity;
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      run(times);
      best = Math.min(best, (performance.now() - start) / times / 1000);
    }
    return best;
  };
  const DRAM = 128 << 20;
  window.stream = () => {
    const stream = new Stream(DRAM);
    const seconds = time((times) => { for (let i = 0; i < times; i++) stream.read(); });
    stream.free();
    return DRAM / seconds / 1e9;
  };
  window.products = ({ name, rows, cols }) => {
    const measure = (n, bytes) => {
      const products = new Products(name, rows, cols, n, bytes);
      const seconds = time((times) => products.run(times));
      const bits = products.bits(rows, cols);
      products.free();
      return { gops: (2 * n * rows * cols) / seconds / 1e9, bits };
    };
    const gemv = measure(1, 0);
    return { gemv: gemv.gops, bits: gemv.bits, gemm: measure(64, 0).gops, dram: measure(1, DRAM).gops };
  };
  return types();
}
