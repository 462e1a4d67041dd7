// The case table in browsers: tests/ops_web.rs, built for wasm32 and served by wasm-bindgen's test runner, in a worker
// of each engine. WebKitGTK has no WebGPU: there the SIMD128 backend is tested alone, as it is with relaxed SIMD, which the
// GPU's half knows nothing of.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { missing, open } from './browsers.mjs';
import { writeMeasured } from './measured.mjs';
import { paths } from './paths.mjs';
import { projectRoot } from '../server/serve.mjs';

/** What comes before a figure for the table. */
const MEASURED = 'measured ';
/** All of one engine's tests; the software adapters are what takes time. */
const RUN_MS = 1_800_000;

/** What the browsers' emulations have beyond core WGSL. */
const EXTENSIONS = { chromium: { f16: false, subgroups: true }, firefox: { f16: true, subgroups: false } };

/** @typedef {'baseline' | 'relaxed'} Variant */
/** @typedef {{ wasm: string, runner: string }} Built */
const variants = /** @type {const} */ (['baseline', 'relaxed']);
/** @type {Record<Variant, Built>} */
const built = { baseline: { wasm: '', runner: '' }, relaxed: { wasm: '', runner: '' } };
before(async () => {
  for (const variant of variants) {
    const env = { ...process.env, PAGELM_VARIANT: variant };
    const { stdout } = await promisify(execFile)('scripts/build-ops.sh', { cwd: projectRoot, env, maxBuffer: 2 ** 26 });
    const [wasm, runner] = stdout.trim().split('\n');
    built[variant] = { wasm, runner };
  }
  assert.notEqual(built.baseline.wasm, built.relaxed.wasm);
});

/**
 * `tests`: how many there are at least; of relaxed SIMD there are those of its own, too.
 * @typedef {{ engine: import('../browser/browsers.mjs').EngineName, variant: Variant, webgpu: boolean, filter: string[], tests: number }} Part
 */
/** @type {Part[]} */
const parts = [
  { engine: 'chromium', variant: 'baseline', webgpu: true, filter: [], tests: 18 },
  { engine: 'chromium', variant: 'relaxed', webgpu: false, filter: ['simd::'], tests: 12 },
  { engine: 'firefox', variant: 'baseline', webgpu: true, filter: [], tests: 18 },
  { engine: 'firefox', variant: 'relaxed', webgpu: false, filter: ['simd::'], tests: 12 },
  { engine: 'webkit', variant: 'baseline', webgpu: false, filter: ['simd::'], tests: 7 },
];

for (const { engine, variant, webgpu, filter, tests } of parts) {
  const name = variant === 'baseline' ? engine : `${engine}, ${variant}`;
  describe(`operations in ${name}`, { skip: missing(engine), timeout: RUN_MS }, () => {
    it('agree with the reference', async () => {
      const { lines, result } = await run(engine, variant, webgpu, filter);
      const measured = keep(engine, name, lines);
      console.log(lines.filter((line) => !line.includes(MEASURED)).map((line) => `${name}: ${line}`).join('\n'));
      assert.equal(result.verdict, 'ok');
      assert.equal(result.failed, 0);
      // a table that lost its tests would agree with anything
      assert.ok(result.passed >= tests, `only ${result.passed} tests ran`);
      assert.ok(measured >= 100, `only ${measured} figures of types`);
      const compared = lines.filter((line) => /\d+ cases, \d+ values/.test(line));
      if (webgpu) {
        // what is beyond core WGSL: both ways of it are compared in the browser that has it
        const { f16, subgroups } = EXTENSIONS[/** @type {'chromium' | 'firefox'} */ (engine)];
        assert.ok(lines.some((line) => line.includes(`extensions: f16 ${f16}, int8 true, subgroups ${subgroups}`)), 'the browser has what it had');
        const ways = ['gpu matmul, int8', ...(f16 ? ['gpu matmul, f16'] : []), ...(subgroups ? ['gpu attend, f16, without subgroups'] : [])];
        for (const way of ways) assert.ok(compared.some((line) => line.includes(`${way}: `)), `${way} was not compared`);
      }
      for (const backend of webgpu ? ['simd', 'gpu'] : ['simd']) {
        assert.ok(compared.filter((line) => line.includes(`${backend} `)).length >= 6, `what ${backend} compared was not reported`);
      }
    });
  });
}

describe('the way from a case to this test', { skip: missing('chromium'), timeout: RUN_MS }, () => {
  it('shows a sabotaged case as a failure', async () => {
    // on both backends
    const { lines, result } = await run('chromium', 'baseline', true, ['::sabotaged', '--include-ignored']);
    assert.deepEqual(result, { verdict: 'FAILED', passed: 0, failed: 2 });
    const red = lines.filter((line) => /6 of 6 cases failed/.test(line));
    assert.ok(red.length >= 2, lines.join('\n'));
  });
});

/**
 * Writes what was measured of each type, and says how much it was.
 * @param {import('../browser/browsers.mjs').EngineName} engine @param {string} name @param {string[]} lines
 */
function keep(engine, name, lines) {
  const found = lines.filter((line) => line.includes(MEASURED)).map((line) => JSON.parse(line.slice(line.indexOf(MEASURED) + MEASURED.length)));
  const browser = paths.find((path) => path.engine === engine)?.name.split(' ')[0];
  writeMeasured('browser', `ops ${name}`, found.map((line) => ({ ...line, backend: `${browser} ${line.backend}` })));
  return found.length;
}

/**
 * Serves the tests that `filter` names, opens them, and waits for their verdict.
 * @param {import('../browser/browsers.mjs').EngineName} engine @param {Variant} variant @param {boolean} webgpu @param {string[]} filter
 */
async function run(engine, variant, webgpu, filter) {
  const served = await serveTests(built[variant], filter);
  try {
    const session = await open({ engine, webgpu });
    try {
      await session.goto(served.origin);
      return await verdict(session);
    } finally {
      await session.close();
    }
  } finally {
    served.stop();
  }
}

/** @param {Built} built @param {string[]} filter */
async function serveTests({ wasm, runner }, filter) {
  const env = { ...process.env, NO_HEADLESS: '1', WASM_BINDGEN_TEST_ADDRESS: '127.0.0.1:0' };
  const child = spawn(runner, [wasm, ...filter, '--nocapture'], { cwd: projectRoot, env, stdio: ['ignore', 'pipe', 'inherit'] });
  after(() => child.kill());
  for await (const line of createInterface({ input: child.stdout })) {
    const address = /available at (http:\S+)/.exec(line);
    if (address) return { origin: address[1], stop: () => child.kill() };
  }
  throw new Error(`${runner} ended without an address`);
}

/** @param {import('../browser/browsers.mjs').Session} session */
async function verdict(session) {
  for (const started = Date.now(); Date.now() - started < RUN_MS; await sleep(500)) {
    const text = await session.evaluate(() => document.getElementById('output')?.textContent ?? '', null);
    const found = /test result: (\w+)\. (\d+) passed; (\d+) failed/.exec(text);
    if (found) {
      const result = { verdict: found[1], passed: Number(found[2]), failed: Number(found[3]) };
      return { lines: text.split('\n').filter(Boolean), result };
    }
  }
  const text = await session.evaluate(() => document.body.textContent ?? '', null);
  throw new Error(`no verdict within ${RUN_MS / 1000} s; the page says:\n${text}`);
}
