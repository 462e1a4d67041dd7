// Runs in the page; tells the server how each case went. The engine is the stand-in, everything else is real.
import { PagelmError, load } from '/pkg/dist/index.js';

const BYTES = 9 * 1024 * 1024 + 5;
const byteAt = (i) => (i * 7 + (i >> 9)) & 255;
let sum = 0;
for (let i = 0; i < BYTES; i += 1) sum += byteAt(i);
const hash = sum.toString(16).padStart(64, '0'); // what the stand-in calls a hash
const wrongHash = (sum + 1).toString(16).padStart(64, '0');

const requests = async () => Number(await (await fetch('/requests')).text());
const equal = (actual, expected, what = '') => {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what} is ${a}, not ${b}`);
};
async function fails(code, promise) {
  try {
    await promise;
  } catch (error) {
    if (PagelmError.isInstance(error) && error.code === code) return error;
    throw error;
  }
  throw new Error(`nothing failed with ${code}`);
}

async function files() {
  const root = await navigator.storage.getDirectory();
  const directory = await root.getDirectoryHandle('pagelm', { create: true });
  const names = [];
  for await (const name of directory.keys()) if (!name.startsWith('index.')) names.push(name);
  return names.sort();
}

async function empty() {
  const root = await navigator.storage.getDirectory();
  // A worker that has just been ended may keep its lock for a moment.
  for (let attempt = 0; attempt < 50; attempt += 1) {
    try {
      await root.removeEntry('pagelm', { recursive: true });
      return;
    } catch (error) {
      if (error.name === 'NotFoundError') return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error('the stored files cannot be removed');
}

async function loaded(source, options) {
  const events = [];
  const model = await load(source, { ...options, onProgress: (event) => events.push(event) });
  const ready = events.at(-1);
  equal(model.info.name, `sum ${sum}`, 'what the engine was given');
  equal(model.info.bytes, BYTES, 'info.bytes');
  return { model, ready, events, last: (type) => events.filter((event) => event.type === type).at(-1) };
}

const cases = {
  async 'a download is stored; the second load asks for nothing'() {
    const before = await requests();
    const first = await loaded('../../../model.gguf');
    equal(first.ready.fromCache, false);
    equal(first.last('download'), { type: 'download', loaded: BYTES, total: BYTES });
    equal(first.last('upload'), { type: 'upload', loaded: BYTES, total: BYTES });
    equal(first.last('compile'), { type: 'compile', loaded: 1, total: 1 });
    equal(first.last('verify'), undefined);
    equal(await first.model.generate('abc').text(), 'cba\u0001');
    await first.model.close();
    equal((await requests()) - before, 3, 'requests');
    equal(await files(), [hash], 'stored files');
    const second = await loaded('../../../model.gguf', { cache: 'opfs' });
    equal(second.ready.fromCache, true);
    equal(second.last('download'), undefined);
    equal((await requests()) - before, 3, 'requests');
    await second.model.close();
  },
  async 'two loads at once, and a load while the file is open elsewhere'() {
    const before = await requests();
    const all = await Promise.all([loaded('/model.gguf'), loaded('/model.gguf'), loaded('/model.gguf')]);
    equal((await requests()) - before, 3, 'requests of three loads at once');
    equal(all.filter(({ ready }) => !ready.fromCache).length, 1, 'downloads');
    const again = await Promise.all([loaded('/model.gguf'), loaded('/model.gguf')]);
    equal(again.map(({ ready }) => ready.fromCache), [true, true], 'from the cache');
    for (const { model } of [...all, ...again]) await model.close();
    equal((await files()).length, 1, 'stored files');
  },
  async 'a file that another context has locked is read as a Blob'() {
    await (await loaded('/model.gguf')).model.close();
    const [name] = await files();
    const holder = new Worker('locker.js', { type: 'module' });
    await new Promise((resolve, reject) => {
      holder.onmessage = ({ data }) => (data === 'locked' ? resolve() : reject(new Error(data)));
      holder.postMessage(name);
    });
    const { model, ready } = await loaded('/model.gguf');
    equal(ready.fromCache, true);
    await model.close();
    holder.terminate();
  },
  async 'with sha256: verified once, found by content'() {
    const first = await loaded({ url: '/model.gguf', sha256: hash });
    equal(first.last('verify'), { type: 'verify', loaded: BYTES, total: BYTES });
    await first.model.close();
    equal(await files(), [hash]);
    const before = await requests();
    const second = await loaded({ url: '/elsewhere.gguf', sha256: hash });
    equal(second.last('verify'), undefined);
    equal(await requests(), before, 'requests');
    await second.model.close();
  },
  async 'another hash: an error with both, and nothing is left'() {
    const error = await fails('hash-mismatch', load({ url: '/model.gguf', sha256: wrongHash }));
    if (!error.message.includes(hash) || !error.message.includes(wrongHash)) throw new Error(error.message);
    equal(await files(), []);
  },
  async "cache: 'none' leaves nothing"() {
    await (await loaded('/model.gguf', { cache: 'none' })).model.close();
    equal(await files(), []);
  },
  async 'a download that breaks off is an error; without byte ranges nothing of it stays'() {
    await fails('network', load('/short.gguf', { download: { retries: 0 } }));
    equal(await files(), []);
  },
  async 'an HTTP error is an error and leaves nothing'() {
    const error = await fails('network', load('/missing.gguf'));
    if (!error.message.includes('404')) throw new Error(error.message);
    equal(await files(), []);
  },
  async 'an abort in mid-download'() {
    const controller = new AbortController();
    // by then bytes are in the store, too; the server has no ranges, so they are of no use later
    const onProgress = (event) => { if (event.type === 'download') setTimeout(() => controller.abort(), 300); };
    await fails('aborted', load('/slow.gguf', { signal: controller.signal, onProgress }));
    await (await loaded('/model.gguf')).model.close(); // nothing is in the way of the next one
    equal((await files()).length, 1, 'stored files');
  },
  async 'a body of unknown length'() {
    const first = await loaded('/chunked.gguf');
    equal(first.events[0].total, 0);
    equal(first.ready.fromCache, false);
    await first.model.close();
    const second = await loaded('/chunked.gguf');
    equal(second.ready.fromCache, true);
    await second.model.close();
    await (await loaded('/chunked.gguf', { cache: 'none' })).model.close();
  },
  async 'a compressed body'() {
    await (await loaded('/gzip.gguf')).model.close();
    await (await loaded('/gzip.gguf', { cache: 'none' })).model.close();
  },
  async 'a file cut short in the store is downloaded again'() {
    await (await loaded('/model.gguf')).model.close();
    const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle('pagelm');
    const [name] = await files();
    const writable = await (await directory.getFileHandle(name)).createWritable({ keepExistingData: true });
    await writable.truncate(100);
    await writable.close();
    const { model, ready } = await loaded('/model.gguf');
    equal(ready.fromCache, false);
    await model.close();
  },
  async 'a Blob'() {
    const blob = await (await fetch('/model.gguf')).blob();
    const { model, ready, last } = await loaded(blob);
    equal([ready.fromCache, last('download') ?? null], [false, null]);
    await model.close();
    equal(await files(), []);
  },
  async 'backends, with reasons'() {
    const { model } = await loaded('/model.gguf');
    equal(model.info.backend, 'cpu');
    if (!/^The CPU is used because .*\.$/.test(model.info.backendReason)) throw new Error(model.info.backendReason);
    await model.close();
    const error = await fails('gpu-unavailable', load('/model.gguf', { backend: 'webgpu' }));
    if (!error.message.includes("'cpu'")) throw new Error(error.message);
  },
  async 'abort and break while generating'() {
    const { model } = await loaded('/model.gguf');
    const controller = new AbortController();
    const generation = model.generate('x'.repeat(60), { signal: controller.signal });
    const reasons = [];
    for await (const part of generation) {
      if (part.type === 'text-delta') controller.abort();
      else reasons.push(part.reason);
    }
    equal(reasons, ['aborted']);
    const left = model.generate('x'.repeat(60));
    for await (const part of left) if (part.type === 'text-delta') break;
    equal((await left.result()).reason, 'aborted');
    equal([...(await model.logits([1, 2]))], [2, 0.5]);
    const pending = model.generate('x'.repeat(60)).text();
    await model.close();
    await fails('closed', pending);
  },
  async 'no room: a storage error with numbers, before the body'() {
    const error = await fails('storage', load('/huge.gguf', { cache: 'opfs' }));
    if (!/\d+ of the \d+ bytes/.test(error.message)) throw new Error(error.message);
    equal(await files(), []);
  },
};

const report = (name, error) => fetch('/report', { method: 'POST', body: JSON.stringify({ name, error }) });
for (const [name, run] of Object.entries(cases)) {
  let error;
  try {
    await empty();
    await run();
  } catch (caught) {
    error = `${caught?.code ?? ''} ${caught?.message ?? caught}\n${caught?.stack ?? ''}`;
  }
  await report(name, error);
}
await report(null);
