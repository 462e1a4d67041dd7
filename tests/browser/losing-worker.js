// The package's worker, with GPU devices that can be lost from outside, and adapters that can be kept from it.
import './lose-webgpu.js';
import '/pkg/dist/worker.js';
