// A model that works for a long time on the GPU, interrupted at random moments, while others are loaded and closed beside it: what it
// holds of the GPU's memory stays, and so does its text.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { missing, open } from './browsers.mjs';
import { realModel, tinyModel } from './paths.mjs';

const { url } = tinyModel('llama-bpe-q4_0-ropefreqs-tied');
const TOKENS = 2000;
const LOADS = 10;
/** Every so many of them, from the first on, are large enough to be seen in the browser's memory, which is the GPU's where that is an emulation. */
const LARGE = 4;
/**
 * What comes and goes while a model works, and how many there may be: parameters of the programs that are kept, copies of tokens that are
 * under way. Everything else is made once.
 */
const MOST = { params: 16, found: 10 };

const mb = (/** @type {number} */ bytes) => Math.round(bytes / 1e6);

/** Bytes of memory that this process's browsers have; shared ones are counted once. */
function resident() {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  /** @type {Map<number, number>} */
  const parents = new Map();
  for (const pid of pids) {
    try {
      parents.set(Number(pid), Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0));
    } catch {
      // it has ended
    }
  }
  let bytes = 0;
  for (const pid of parents.keys()) {
    let at = parents.get(pid);
    while (at !== undefined && at !== process.pid) at = parents.get(at);
    if (at === undefined) continue;
    try {
      bytes += 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
    } catch {
      // nor is it there any more
    }
  }
  return bytes;
}

/** The least of what is resident in the next time, or the first that is at most `limit`: browsers give memory back when they find time for it. */
async function residentSoon(limit = 0) {
  let least = Infinity;
  for (let tries = 0; tries < 20; tries++) {
    least = Math.min(least, resident());
    if (least <= limit) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return least;
}

for (const engine of /** @type {const} */ (['chromium', 'firefox'])) {
  test(`${TOKENS} tokens and ${LOADS} models, ${engine}`, { skip: missing(engine), timeout: 300_000 }, async (t) => {
    const session = await open({ engine, webgpu: true });
    t.after(() => session.close());
    const call = (/** @type {string} */ name, /** @type {any} */ value = null) =>
      session.evaluate(async (args) => (await import(`${location.origin}/browser/soak-page.js`))[args.name](args.value), { name, value });
    const seed = Number(process.env.PAGELM_SEED ?? 1 + Math.floor(Math.random() * 1e6));
    console.log(`soak, ${engine}: PAGELM_SEED=${seed}`);

    const first = await call('begin', url);
    assert.equal(first.info.backend, 'webgpu');
    assert.ok(first.memory.bufferBytes > first.info.bytes / 2, `${first.memory.bufferBytes} bytes`);
    const sum = { done: 0, generations: 0, aborted: 0 };
    /** @type {string[]} */
    const closed = [];
    /** Bytes of each of the two models that are loaded. @type {Record<string, number[]>} */
    const held = { [realModel.url]: [], [url]: [] };
    let settled = 0;
    const spent = { working: 0, loading: 0 };
    for (let at = 0; at < LOADS; at++) {
      const started = performance.now();
      const { done, generations, aborted } = await call('work', { tokens: TOKENS / LOADS, seed: seed + at });
      sum.done += done;
      sum.generations += generations;
      sum.aborted += aborted;
      const worked = performance.now();
      closed.push(`other-${at}-${at % 2}`);
      const other = at % LARGE ? url : realModel.url;
      held[other].push(await call('loadAndClose', { url: other, name: closed[at] }));
      spent.working += worked - started;
      spent.loading += performance.now() - worked;
      if (at === 0) settled = await residentSoon(); // with what the browser keeps of any
    }
    const [large] = held[realModel.url];
    const allowed = settled + 1.5 * large;
    const after = await residentSoon(allowed);
    const last = await call('end', closed);
    console.log(`soak, ${engine}: ${JSON.stringify(sum)} in ${Math.round(spent.working)} ms, loads in ${Math.round(spent.loading)} ms, ${last.memory.bufferBytes - first.memory.bufferBytes} bytes more than at first; resident: ${mb(after)} MB after ${LOADS} models of up to ${mb(large)} MB, ${mb(settled)} after the first`);

    assert.ok(sum.done >= TOKENS && sum.aborted >= 3, JSON.stringify(sum));
    assert.deepEqual([last.text, last.tokens], [first.text, first.tokens]);
    const made = new Set([...Object.keys(first.memory.buffers), ...Object.keys(last.memory.buffers)]);
    for (const label of made) {
      const most = /** @type {Record<string, number>} */ (MOST)[label];
      const count = last.memory.buffers[label] ?? 0;
      if (most === undefined) assert.equal(count, first.memory.buffers[label] ?? 0, `buffers called ${label}`);
      else assert.ok(count <= most, `${count} buffers called ${label}`);
    }
    // Firefox keeps some of what it has read, for models on the CPU as much: that says nothing of the GPU
    assert.ok(settled > 0 && (engine === 'firefox' || after <= allowed), `${mb(after)} MB are resident after ${LOADS} models of up to ${mb(large)} MB, ${mb(settled)} after the first`);
    // a closed model's worker is gone; each held as much as the first
    assert.equal(last.left, 0);
    for (const bytes of Object.values(held)) assert.ok(bytes.every((one) => one > 0 && Math.abs(one - bytes[0]) < 64 * 1024), `${bytes}`);
  });
}
