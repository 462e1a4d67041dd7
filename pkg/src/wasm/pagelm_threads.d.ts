// Stands in for what wasm-bindgen writes to dist/wasm/, so that TypeScript builds before and without it.
import type { ThreadedModule, InitEngine } from '../engine.js';

declare const init: InitEngine;
export default init;
export declare const Hasher: ThreadedModule['Hasher'];
export declare const Inspector: ThreadedModule['Inspector'];
export declare const Loader: ThreadedModule['Loader'];
export declare const setThreads: ThreadedModule['setThreads'];
export declare const setRowThreads: ThreadedModule['setRowThreads'];
export declare const compiledModule: ThreadedModule['compiledModule'];
export declare const help: ThreadedModule['help'];
export declare const helpFailed: ThreadedModule['helpFailed'];
export declare const kernelForms: ThreadedModule['kernelForms'];
export declare const setKernels: ThreadedModule['setKernels'];
