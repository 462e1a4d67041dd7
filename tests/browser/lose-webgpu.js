// Keeps the devices that a worker asks for and destroys the latest at a given submit, or at once. `loss-page.js` says when, in the
// worker's address and over a BroadcastChannel. `losses`: for each device to come, after how many submits.

/** @typedef {{ losses?: number[], now?: boolean, noAdapter?: boolean, asHardware?: boolean }} Plan */

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
replace('GPUQueue', 'submit', (original, self, args) => {
  original.apply(self, args);
  left -= 1;
  if (left === 0) devices.at(-1).destroy();
});
if (plan.asHardware) {
  const info = { vendor: 'acme', architecture: 'rocket', device: '', description: '', isFallbackAdapter: false };
  Object.defineProperty(/** @type {any} */ (globalThis).GPUAdapter.prototype, 'info', { get: () => info });
}

const channel = new BroadcastChannel('webgpu-loss');
channel.onmessage = ({ data }) => {
  if (data === 'done') return;
  const { now, losses, ...rest } = /** @type {Plan} */ (data);
  if (losses !== undefined) [left = Infinity, ...plan.losses] = losses;
  Object.assign(plan, rest);
  if (now) devices.at(-1).destroy();
  channel.postMessage('done');
};
