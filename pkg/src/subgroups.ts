/** In the worker: subgroups, which the engine's WebGPU library does not know of in browsers, and so does not ask a device for. */

const NAME = 'subgroups';

interface AdapterPrototype {
  requestDevice: (this: { features: ReadonlySet<string> }, descriptor?: Descriptor) => Promise<unknown>;
}

interface Descriptor {
  requiredFeatures?: Iterable<string>;
}

/** From now on all devices of this worker are asked for with subgroups, if their adapter has them. */
export function askForSubgroups(adapter: { prototype: AdapterPrototype } | undefined = (globalThis as { GPUAdapter?: { prototype: AdapterPrototype } }).GPUAdapter): void {
  if (adapter === undefined) return;
  const { prototype } = adapter;
  const plain = prototype.requestDevice;
  prototype.requestDevice = function (descriptor = {}) {
    if (!this.features.has(NAME)) return plain.call(this, descriptor);
    return plain.call(this, { ...descriptor, requiredFeatures: new Set([...(descriptor.requiredFeatures ?? []), NAME]) });
  };
}
