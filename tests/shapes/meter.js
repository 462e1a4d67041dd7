// Runs in the worker before the package's own code: measures from outside what is allocated.
/** @type {{ memories: WebAssembly.Memory[], gpuBytes: number, gpuPeak: number, gpuLargest: number }} */
const seen = { memories: [], gpuBytes: 0, gpuPeak: 0, gpuLargest: 0 };

/** @param {any} imports @param {WebAssembly.Instance} instance */
function note(imports, instance) {
  const candidates = [...Object.values(instance.exports), ...Object.values(imports ?? {}).flatMap((module) => Object.values(module))];
  seen.memories.push(...candidates.filter((value) => value instanceof WebAssembly.Memory));
}

const { instantiate, instantiateStreaming } = WebAssembly;
WebAssembly.instantiate = /** @type {any} */ (async (/** @type {any} */ source, /** @type {any} */ imports) => {
  const made = /** @type {any} */ (await instantiate(source, imports));
  note(imports, made.instance ?? made);
  return made;
});
WebAssembly.instantiateStreaming = async (source, imports) => {
  const made = await instantiateStreaming(source, imports);
  note(imports, made.instance);
  return made;
};

const GpuDevice = /** @type {any} */ (globalThis).GPUDevice;
if (GpuDevice) {
  const { createBuffer } = GpuDevice.prototype;
  const { destroy } = /** @type {any} */ (globalThis).GPUBuffer.prototype;
  GpuDevice.prototype.createBuffer = function (/** @type {{ size: number }} */ descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    seen.gpuBytes += descriptor.size;
    seen.gpuPeak = Math.max(seen.gpuPeak, seen.gpuBytes);
    seen.gpuLargest = Math.max(seen.gpuLargest, descriptor.size);
    return buffer;
  };
  /** @type {any} */ (globalThis).GPUBuffer.prototype.destroy = function () {
    seen.gpuBytes -= this.size;
    return destroy.call(this);
  };
}

/** Bytes so far; the heap of WebAssembly never shrinks. */
/** @type {any} */ (globalThis).pagelmMeter = () => ({
  heap: Math.max(0, ...seen.memories.map((memory) => memory.buffer.byteLength)),
  gpuPeak: seen.gpuPeak,
  gpuLargest: seen.gpuLargest,
});
