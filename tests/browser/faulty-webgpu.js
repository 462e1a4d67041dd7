// WebGPU with faults, which `devices-page.js` asks for in the worker's address and over a BroadcastChannel.

/**
 * @typedef {object} Plan
 * @property {number[]} [losses]     after how many submits the latest device, and each after it, is destroyed
 * @property {boolean} [now]         destroy the latest
 * @property {boolean} [noAdapter]   there is none any more
 * @property {boolean} [asHardware]  the adapter says that it is no emulation
 * @property {[string, string]} [shader]  what becomes of a piece of the shaders
 */

/** @type {any[]} */
const devices = [];
/** @type {Plan} */
const plan = { losses: [], ...JSON.parse(decodeURIComponent(location.hash.slice(1)) || '{}') };
/** Submits until the latest device is lost. */
let left = Infinity;

/** @param {string} type @param {string} name @param {(original: any, self: any, args: any[]) => any} method */
function replace(type, name, method) {
  const { prototype } = /** @type {any} */ (globalThis)[type];
  const original = prototype[name];
  if (typeof original !== 'function') throw new Error(`${type} has no ${name}`);
  prototype[name] = function (/** @type {any[]} */ ...args) { return method(original, this, args); };
}

replace('GPU', 'requestAdapter', async (original, self, args) => (plan.noAdapter ? null : original.apply(self, args)));
replace('GPUAdapter', 'requestDevice', async (original, self, args) => {
  const device = await original.apply(self, args);
  devices.push(device);
  left = plan.losses?.shift() ?? Infinity;
  return device;
});
replace('GPUDevice', 'createShaderModule', (original, self, [descriptor]) => {
  const [from, to] = plan.shader ?? ['', ''];
  return original.call(self, from === '' ? descriptor : { ...descriptor, code: descriptor.code.replaceAll(from, to) });
});
replace('GPUQueue', 'submit', (original, self, args) => {
  original.apply(self, args);
  left -= 1;
  if (left === 0) devices.at(-1).destroy();
});
if (plan.asHardware) {
  const info = { vendor: 'acme', architecture: 'rocket', device: '', description: '', isFallbackAdapter: false };
  Object.defineProperty(/** @type {any} */ (globalThis).GPUAdapter.prototype, 'info', { get: () => info });
}

const channel = new BroadcastChannel('webgpu-faults');
channel.onmessage = ({ data }) => {
  if (data === 'done') return;
  const { now, losses, ...rest } = /** @type {Plan} */ (data);
  if (losses !== undefined) [left = Infinity, ...plan.losses] = losses;
  Object.assign(plan, rest);
  if (now) devices.at(-1).destroy();
  channel.postMessage('done');
};
