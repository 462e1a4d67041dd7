// Stands in for what wasm-bindgen writes to dist/wasm/, so that TypeScript builds before and without it.
import type { EngineModule, InitEngine } from '../engine.js';

declare const init: InitEngine;
export default init;
export declare const Hasher: EngineModule['Hasher'];
export declare const Inspector: EngineModule['Inspector'];
export declare const Loader: EngineModule['Loader'];
export declare const setThreads: EngineModule['setThreads'];
export declare const setRowThreads: EngineModule['setRowThreads'];
export declare const kernelForms: EngineModule['kernelForms'];
export declare const setKernels: EngineModule['setKernels'];
export declare const compiledModule: EngineModule['compiledModule'];
