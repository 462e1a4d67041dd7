// WebGPU with faults, which `devices-page.js` asks for in the worker's address and over a BroadcastChannel.

/**
 * @typedef {object} Plan
 * @property {number[]} [losses]     after how many submits the latest device, and each after it, is destroyed
 * @property {boolean} [now]         destroy the latest
 * @property {boolean} [noAdapter]   there is none any more
 * @property {boolean} [asHardware]  the adapter says that it is no emulation
 * @property {[string, string]} [shader]  what becomes of a piece of the shaders
 * @property {number} [slowMs]       so long a product takes for each KiB of its weights, and a dispatch 1 ms: submits are not said to be done before
 * @property {boolean} [defaultLimits]  the adapter has WebGPU's default limits and no more
 * @property {number} [cacheBytes]  of keys and values there is memory for so much: for what is larger there is none
 * @property {Record<string, number>} [lowLimits]  and of these not even that
 */

/** @type {any[]} */
const devices = [];
/** @type {Plan} */
const plan = { losses: [], ...JSON.parse(decodeURIComponent(location.hash.slice(1)) || '{}') };
/** Submits until the latest device is lost. */
let left = Infinity;
/** How long what was recorded since the last submit takes, how long each submit did, and when the device has done all that it was given. */
let recorded = 0;
/** @type {number[]} */
let submits = [];
let free = 0;
/** What was asked of devices. @type {Record<string, number>[]} */
const limitsAsked = [];

/** Those that a model may come up against: https://www.w3.org/TR/webgpu/#limits */
const LIMITS = {
  maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27, maxStorageBuffersPerShaderStage: 8, maxUniformBufferBindingSize: 65_536,
  maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupStorageSize: 16_384, maxComputeWorkgroupSizeX: 256, maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64, maxComputeWorkgroupsPerDimension: 65_535, maxBindGroups: 4, maxBindingsPerBindGroup: 1000,
  ...plan.lowLimits,
};
/** Once everything that was given until now is done. @param {Promise<any>} promise */
async function late(promise) {
  const until = free;
  const value = await promise;
  while (performance.now() < until) await new Promise((resolve) => setTimeout(resolve, until - performance.now()));
  return value;
}

/** @param {string} type @param {string} name @param {(original: any, self: any, args: any[]) => any} method */
function replace(type, name, method) {
  const { prototype } = /** @type {any} */ (globalThis)[type];
  const original = prototype[name];
  if (typeof original !== 'function') throw new Error(`${type} has no ${name}`);
  prototype[name] = function (/** @type {any[]} */ ...args) { return method(original, this, args); };
}

replace('GPU', 'requestAdapter', async (original, self, args) => (plan.noAdapter ? null : original.apply(self, args)));
replace('GPUAdapter', 'requestDevice', async (original, self, args) => {
  const asked = args[0]?.requiredLimits ?? {};
  if (plan.defaultLimits) {
    for (const [name, most] of Object.entries(LIMITS)) if (asked[name] > most) throw new DOMException(`${name} is ${asked[name]}, ${most} at most`, 'OperationError');
  }
  limitsAsked.push({ ...asked });
  const device = await original.apply(self, args);
  devices.push(device);
  left = plan.losses?.shift() ?? Infinity;
  return device;
});
/** The error scopes that are open, the innermost last, and what became of buffers inside. @type {{ filter: string, isFull: boolean }[]} */
const scopes = [];
replace('GPUDevice', 'pushErrorScope', (original, self, args) => {
  scopes.push({ filter: args[0], isFull: false });
  original.apply(self, args);
});
replace('GPUDevice', 'popErrorScope', async (original, self, args) => {
  const { isFull } = scopes.pop() ?? {};
  const error = await original.apply(self, args);
  return isFull ? new (/** @type {any} */ (globalThis).GPUOutOfMemoryError)('no memory is left') : error;
});
replace('GPUDevice', 'createBuffer', (original, self, args) => {
  const { label, size } = args[0];
  if (label?.startsWith('cache.') && size > (plan.cacheBytes ?? Infinity)) {
    const scope = scopes.findLast(({ filter }) => filter === 'out-of-memory');
    if (scope !== undefined) scope.isFull = true;
  }
  return original.apply(self, args);
});
replace('GPUDevice', 'createShaderModule', (original, self, [descriptor]) => {
  const [from, to] = plan.shader ?? ['', ''];
  return original.call(self, from === '' ? descriptor : { ...descriptor, code: descriptor.code.replaceAll(from, to) });
});
replace('GPUQueue', 'submit', (original, self, args) => {
  original.apply(self, args);
  const ms = recorded;
  free = Math.max(performance.now(), free) + ms;
  submits.push(ms);
  recorded = 0;
  left -= 1;
  if (left === 0) devices.at(-1).destroy();
});
/** KiB of weights that a bind group has. @type {WeakMap<object, number>} */
const bound = new WeakMap();
/** Those of the one that a pass has set. @type {WeakMap<object, number>} */
const set = new WeakMap();
replace('GPUDevice', 'createBindGroup', (original, self, args) => {
  const group = original.apply(self, args);
  // of the embedding table, rows are read
  const weights = args[0].entries.filter((/** @type {any} */ { resource }) => /\.weight$/.test(resource.buffer?.label) && !/norm|token_embd/.test(resource.buffer.label));
  bound.set(group, weights.reduce((/** @type {number} */ sum, /** @type {any} */ { resource }) => sum + (resource.size ?? resource.buffer.size) / 1024, 0));
  return group;
});
replace('GPUComputePassEncoder', 'setBindGroup', (original, self, args) => {
  set.set(self, bound.get(args[1]) ?? 0);
  original.apply(self, args);
});
replace('GPUComputePassEncoder', 'dispatchWorkgroups', (original, self, args) => {
  if (plan.slowMs !== undefined) recorded += 1 + plan.slowMs * (set.get(self) ?? 0);
  original.apply(self, args);
});
replace('GPUQueue', 'onSubmittedWorkDone', (original, self, args) => late(original.apply(self, args)));
replace('GPUBuffer', 'mapAsync', (original, self, args) => late(original.apply(self, args)));
if (plan.defaultLimits) {
  const { prototype } = /** @type {any} */ (globalThis).GPUAdapter;
  const real = Object.getOwnPropertyDescriptor(prototype, 'limits')?.get;
  const limits = (/** @type {any} */ all) => new Proxy(all, {
    get: (_, name) => {
      const most = /** @type {any} */ (LIMITS)[name];
      const value = Reflect.get(all, name, all);
      return most === undefined ? value : Math.min(value, most);
    },
  });
  Object.defineProperty(prototype, 'limits', { get() { return limits(real?.call(this)); } });
}
if (plan.asHardware) {
  const info = { vendor: 'acme', architecture: 'rocket', device: '', description: '', isFallbackAdapter: false };
  Object.defineProperty(/** @type {any} */ (globalThis).GPUAdapter.prototype, 'info', { get: () => info });
}

const channel = new BroadcastChannel('webgpu-faults');
channel.onmessage = ({ data }) => {
  if (data === 'done' || typeof data !== 'object') return;
  if (data.ask) {
    channel.postMessage(JSON.stringify({ submits, limitsAsked }));
    submits = [];
    return;
  }
  const { now, losses, ...rest } = /** @type {Plan} */ (data);
  if (losses !== undefined) [left = Infinity, ...plan.losses] = losses;
  Object.assign(plan, rest);
  if (now) devices.at(-1).destroy();
  channel.postMessage('done');
};
