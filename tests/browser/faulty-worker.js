// The package's worker, over WebGPU with faults.
import './faulty-webgpu.js';
import '/pkg/dist/worker.js';
