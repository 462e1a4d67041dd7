// Counts, from outside, what a worker asks of WebGPU: the prototypes' methods are replaced by ones that count and then
// do what they did. Tests ask for the numbers over a BroadcastChannel; what follows # in the worker's address tells its workers apart.

/** How many buffers there are of each label. @type {Record<string, number>} */
const buffers = {};
const counts = { buffers, passes: 0, dispatches: 0, submits: 0, bytesWritten: 0, bytesRead: 0, matrixBytes: 0, bufferBytes: 0, pipelines: 0, usedPipelines: 0 };
/** Pipelines that passes were made of. */
const used = new WeakSet();
/** Bytes of matrices that a bind group binds. @type {WeakMap<object, number>} */
const bound = new WeakMap();
/** What a pass has set, by the pass. @type {WeakMap<object, { label: string, bytes: number }>} */
const state = new WeakMap();
const mapped = new WeakMap();

/** @param {string} type @param {string} name @param {(self: any, args: any[], result: any) => void} count */
function wrap(type, name, count) {
  const { prototype } = /** @type {any} */ (globalThis)[type];
  const original = prototype[name];
  if (typeof original !== 'function') throw new Error(`${type} has no ${name}`);
  prototype[name] = function (/** @type {any[]} */ ...args) {
    const result = original.apply(this, args);
    count(this, args, result);
    return result;
  };
}

/** @param {any} buffer */
const isMatrix = (buffer) => /\.weight$/.test(buffer.label) && !/norm/.test(buffer.label);
/** @param {any} pass */
const stateOf = (pass) => state.get(pass) ?? { label: '', bytes: 0 };

if ('GPUDevice' in globalThis) {
  wrap('GPUDevice', 'createBuffer', (_, [{ size, label = '' }]) => {
    counts.bufferBytes += size;
    buffers[label] = (buffers[label] ?? 0) + 1;
  });
  wrap('GPUBuffer', 'destroy', ({ size, label }) => {
    counts.bufferBytes -= size;
    buffers[label] = (buffers[label] ?? 0) - 1;
  });
  wrap('GPUDevice', 'createComputePipeline', () => { counts.pipelines += 1; });
  wrap('GPUQueue', 'submit', () => { counts.submits += 1; });
  wrap('GPUQueue', 'writeBuffer', (_, [, , data, , size]) => { counts.bytesWritten += size ?? data.byteLength; });
  wrap('GPUBuffer', 'mapAsync', (buffer, [, , size]) => { mapped.set(buffer, size ?? buffer.size); });
  wrap('GPUBuffer', 'unmap', (buffer) => { counts.bytesRead += mapped.get(buffer) ?? 0; });
  wrap('GPUCommandEncoder', 'beginComputePass', () => { counts.passes += 1; });
  wrap('GPUDevice', 'createBindGroup', (_, [{ entries }], group) => {
    let bytes = 0;
    for (const { resource } of entries) if (isMatrix(resource.buffer)) bytes += resource.size ?? resource.buffer.size;
    bound.set(group, bytes);
  });
  wrap('GPUComputePassEncoder', 'setPipeline', (pass, [pipeline]) => {
    state.set(pass, { ...stateOf(pass), label: pipeline.label });
    if (!used.has(pipeline)) counts.usedPipelines += 1;
    used.add(pipeline);
  });
  wrap('GPUComputePassEncoder', 'setBindGroup', (pass, [, group]) => { state.set(pass, { ...stateOf(pass), bytes: bound.get(group) ?? 0 }); });
  wrap('GPUComputePassEncoder', 'dispatchWorkgroups', (pass) => {
    counts.dispatches += 1;
    // of the embedding table a dispatch reads one row a token, whatever is bound
    if (!stateOf(pass).label.startsWith('embed')) counts.matrixBytes += stateOf(pass).bytes;
  });
}

// a device whose time goes so slowly that none is taken for slow: passes are then one submit each, as on a GPU
if (location.hash === '#quick') {
  const now = performance.now.bind(performance);
  performance.now = () => now() / 1000;
}

const channel = new BroadcastChannel(`webgpu-counts${location.hash}`);
channel.onmessage = ({ data }) => { if (data === 'ask') channel.postMessage({ ...counts }); };
