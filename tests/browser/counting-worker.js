// The package's worker, after every call of WebGPU that matters has been wrapped to be counted.
import './count-webgpu.js';
import '/pkg/dist/worker.js';
