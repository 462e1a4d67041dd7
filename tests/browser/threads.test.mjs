// The builds of the engine and its threads, in pages that are isolated and in pages that are not: every way to a build, the
// same numbers from all of them, threads that die, and what is left behind.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectRoot } from '../server/serve.mjs';
import { missing, open, roots } from './browsers.mjs';
import { tinyModel } from './paths.mjs';

const { url } = tinyModel('llama-bpe-q4_0-ropefreqs-tied');
const engines = /** @type {import('./browsers.mjs').EngineName[]} */ (['chromium', 'firefox']);

/** @typedef {typeof import('./threads-page.js')} Calls */
/** @template {keyof Calls} N @param {import('./browsers.mjs').Session} session @param {N} name @param {any} [value] @returns {Promise<any>} */
const ask = (session, name, value) =>
  session.evaluate(async (args) => (await import(`${location.origin}/browser/threads-page.js`))[args.name](args.value), { name, value: { url, ...value } });

for (const engine of engines) {
  describe(`threads in ${engine}`, { skip: missing(engine), timeout: 300_000 }, () => {
    /** @type {import('./browsers.mjs').Session} */ let session;
    before(async () => { session = await open({ engine, isolated: true }); });
    after(() => session?.close());

    test('the same bits from one, two, three and four threads, and from every form of the kernels', async () => {
      const { answers, forms } = await ask(session, 'bitsOfAll', { threads: [1, 2, 3, 4] });
      assert.ok(forms.includes('relaxed-i16') && forms.includes('relaxed-i32'), `only ${forms}`);
      assert.equal(answers.length, 4 + forms.length);
      for (const { asked, info, bits } of answers) {
        if (asked.threads !== undefined) assert.equal(info.threads, asked.threads);
        if (asked.kernels !== undefined) assert.equal(info.kernels, asked.kernels);
        assert.match(info.kernels, /^relaxed-i/);
        assert.deepEqual(bits, answers[0].bits, JSON.stringify(asked));
      }
      assert.ok(answers[0].bits.logits.length > 100 && answers[0].bits.tokens.length === 24);
    });

    test('the build without relaxed SIMD, by name', async () => {
      const { info } = await ask(session, 'infoOf', { options: { kernels: 'baseline' } });
      assert.deepEqual([info.kernels, info.threads], ['baseline', 1]);
      assert.match(info.threadsReason, /'baseline'/);
    });

    test('as many threads as the device has cores, but no more than eight', async () => {
      const { info, cores } = await ask(session, 'infoOf');
      assert.equal(info.threads, Math.min(cores, 8));
    });

    test('answers stop in mid-generation, and go on after it', async () => {
      const { first, second } = await ask(session, 'abortAndGoOn', { options: { threads: 2 } });
      assert.equal(first.reason, 'aborted');
      assert.equal(second.reason, 'length');
    });

    test('two models at once, each with its threads', async () => {
      const { one, two } = await ask(session, 'twoAtOnce', { options: { threads: 2 } });
      assert.ok(one.length === 24);
      assert.deepEqual(one, two);
    });
  });

  describe(`kernels and threads that fail in ${engine}`, { skip: missing(engine), timeout: 300_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'pagelm-threads-'));
    after(() => rmSync(folder, { recursive: true, force: true }));

    /** A copy of the package in which one place of a script, or of several, is another. @param {string | string[]} scripts @param {string} place @param {string} other */
    async function openAltered(scripts, place, other) {
      const copy = join(folder, String(readdirSync(folder).length));
      cpSync(join(projectRoot, 'pkg/dist'), join(copy, 'dist'), { recursive: true });
      for (const script of [scripts].flat()) {
        const file = join(copy, 'dist', script);
        const text = readFileSync(file, 'utf8');
        assert.equal(text.split(place).length, 2, `${script} has no ${place}, or several`);
        writeFileSync(file, text.replace(place, other));
      }
      return open({ engine, isolated: true, serves: { ...roots, '/pkg/': copy } });
    }

    test('relaxed SIMD that computes something else is not used, with or without threads', async (t) => {
      const glue = ['wasm/pagelm_relaxed.js', 'wasm/pagelm_threads.js'];
      const session = await openAltered(glue, 'export function kernelForms() {', 'export function kernelForms() { return [];');
      t.after(() => session.close());
      for (const options of [{}, { threads: 1 }, { threads: 2 }]) {
        const { info } = await ask(session, 'infoOf', { options });
        assert.deepEqual([info.kernels, info.threads], ['baseline', 1]);
      }
      const { error } = await ask(session, 'errorOf', { options: { kernels: 'relaxed' } });
      assert.equal(error.code, 'unsupported-environment');
      assert.match(error.message, /does not compute kernels 'relaxed' correctly/);
    });

    test('a compiled engine that this worker cannot use is passed over', async (t) => {
      // a module with an import that nothing has
      const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, 7, 1, 1, 0x78, 1, 0x79, 0, 0];
      const session = await openAltered('index.js', 'compiled.set(message.address, message.module)', `compiled.set(message.address, new WebAssembly.Module(Uint8Array.of(${bytes})))`);
      t.after(() => session.close());
      for (let load = 0; load < 2; load += 1) {
        const { info } = await ask(session, 'infoOf', { options: { threads: 2 } });
        assert.deepEqual([info.threads, info.threadsReason], [2, '2 threads were asked for.']);
      }
      assert.equal(session.server.requests.filter(({ path }) => path.endsWith('.wasm')).length, 2);
    });

    test('an engine for which there is no memory is an error of its own', async (t) => {
      const start = 'async function __wbg_init(module_or_path) {';
      const session = await openAltered('wasm/pagelm_relaxed.js', start, `${start} throw new RangeError('WebAssembly.instantiate(): Out of memory');`);
      t.after(() => session.close());
      const { error } = await ask(session, 'errorOf', { options: { threads: 1 } });
      assert.equal(error.code, 'out-of-memory');
      assert.match(error.message, /Close other models or tabs/);
    });

    test('one that fails while it runs rejects what is pending, and the next load works', async (t) => {
      const session = await openAltered('worker.js', 'wasm.help();', "setTimeout(() => { throw new Error('shot'); }, 1000);");
      t.after(() => session.close());
      const { error, later, again } = await ask(session, 'generateForever', { options: { threads: 2 } });
      assert.equal(error.code, 'worker-failed');
      assert.match(error.message, /shot/);
      assert.equal(later.code, 'worker-failed');
      assert.equal(again.length, 24);
    });

    test('one that is gone without a word is not waited for', async (t) => {
      const session = await openAltered('index.js', 'hasStarted = true;', 'hasStarted = true; setTimeout(() => worker.terminate(), 300);');
      t.after(() => session.close());
      const { answers } = await ask(session, 'bitsOfAll', { threads: [1, 2], pauseMs: 600 });
      assert.deepEqual(answers[0].bits, answers[1].bits);
    });

    test('one that does not start leaves one thread, and the reason', async (t) => {
      const session = await openAltered('worker.js', 'await init({ module_or_path: module', "throw new Error('no room'); await init({ module_or_path: module");
      t.after(() => session.close());
      const { info } = await ask(session, 'infoOf', { options: { threads: 3 } });
      assert.equal(info.threads, 1);
      assert.match(info.threadsReason, /3 cannot be started.*no room/);
    });

    test('one that is late is waited for when the model has been read, and not before', async (t) => {
      const late = "await new Promise((go) => { new BroadcastChannel('go').onmessage = go; });";
      const session = await openAltered('worker.js', 'await init({ module_or_path: module', `${late} await init({ module_or_path: module`);
      t.after(() => session.close());
      const { info, order } = await ask(session, 'letGoWhenRead', { options: { threads: 2 } });
      assert.equal(info.threads, 2);
      assert.deepEqual(order, ['read', 'ready']);
    });

    test('all of them end with the model', async (t) => {
      // a lock is given back when its worker ends, however it ends
      const lock = "await new Promise((held) => navigator.locks.request('thread-' + Math.random(), () => { held(); return new Promise(() => {}); }));";
      const session = await openAltered('worker.js', 'await init({ module_or_path: module', `${lock} await init({ module_or_path: module`);
      t.after(() => session.close());
      const { before: held, afterClose, afterAbort } = await ask(session, 'locksHeld', { options: { threads: 4 } });
      assert.deepEqual([held, afterClose, afterAbort], [3, 0, 0]);
    });
  });

  describe(`not isolated, in ${engine}`, { skip: missing(engine), timeout: 120_000 }, () => {
    test('one thread, the reason, and the same numbers', async (t) => {
      const session = await open({ engine, isolated: false });
      t.after(() => session.close());
      for (const options of [{}, { threads: 4 }]) {
        const { info } = await ask(session, 'infoOf', { options });
        assert.equal(info.threads, 1);
        assert.match(info.threadsReason, /not cross-origin isolated/);
        assert.match(info.kernels, /^relaxed-i/);
      }
    });
  });
}

test('idle threads use no time', { skip: missing('chromium') || process.platform !== 'linux', timeout: 120_000 }, async (t) => {
  const session = await open({ engine: 'chromium', isolated: true });
  t.after(() => session.close());
  await ask(session, 'keepLoaded', { options: { threads: 4 } });
  await sleep(500);
  const start = cpuSeconds();
  await sleep(2000);
  const idle = cpuSeconds() - start;
  await ask(session, 'work', { ms: 1000 });
  const busy = cpuSeconds() - start - idle;
  console.log(`idle ${idle.toFixed(2)} s of CPU in 2 s; at work ${busy.toFixed(2)} s in 1 s`);
  assert.ok(busy > 0.5, `only ${busy} s: this measures something else`);
  assert.ok(idle < 0.5, `${idle} s of CPU in 2 s of idleness; three spinning threads would take six, or all there is`);
});

/** What the processes below this one have used so far. */
function cpuSeconds() {
  const parents = new Map();
  const times = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      // pid (name) state ppid ... utime is the 14th field, stime the 15th, in hundredths of a second
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
      parents.set(pid, fields[1]);
      times.set(pid, (Number(fields[11]) + Number(fields[12])) / 100);
    } catch {
      // ended in between
    }
  }
  const isBelow = (/** @type {string | undefined} */ pid) => {
    for (let at = pid; at !== undefined; at = parents.get(at)) if (at === String(process.pid)) return pid !== at;
    return false;
  };
  return [...times].reduce((sum, [pid, time]) => (isBelow(pid) ? sum + time : sum), 0);
}
