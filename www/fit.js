// A guess, from its size alone, whether a model fits this device. It is made before a byte was fetched; the engine's own
// answer, with numbers, comes when the model is loaded.
import { formatBytes } from './format.js';

/** @typedef {{ verdict: 'fits' | 'tight' | 'too-large', why: string }} Fit */

/** Packed weights, cache and work space of a typical model in a context of 2,048, for each byte of the file. */
const bytesPerFileByte = 1.15;
const fixedBytes = 150e6;
/** A 32-bit WebAssembly memory, less what a browser keeps for itself. */
const wasmBytes = 3.9e9;
/** Of a device's memory, what one page can have without pushing others out. */
const comfortableShare = 0.5;
const possibleShare = 0.75;

/** @param {number} fileBytes @param {{ memory: number | undefined, webgpu: boolean }} device @returns {Fit} */
export function fitOf(fileBytes, { memory, webgpu }) {
  const need = fileBytes * bytesPerFileByte + fixedBytes;
  const needs = `needs about ${formatBytes(need)} of memory`;
  if (need > wasmBytes && !webgpu) return { verdict: 'too-large', why: `${needs}; without WebGPU a page can have ${formatBytes(wasmBytes)}` };
  if (memory === undefined) {
    return need > 2e9 ? { verdict: 'tight', why: `${needs}; this browser does not say how much there is` } : { verdict: 'fits', why: needs };
  }
  const has = `this device has ${memory >= 8e9 ? 'at least ' : ''}${formatBytes(memory)}`;
  if (need <= memory * comfortableShare) return { verdict: 'fits', why: `${needs}; ${has}` };
  // 8 GB is the most that a browser admits to
  if (need <= memory * possibleShare || memory >= 8e9) return { verdict: 'tight', why: `${needs}; ${has}` };
  return { verdict: 'too-large', why: `${needs}; ${has}` };
}

/** @returns {Promise<{ memory: number | undefined, webgpu: boolean }>} */
export async function thisDevice() {
  const { deviceMemory: gib, gpu } = /** @type {{ deviceMemory?: number, gpu?: { requestAdapter(): Promise<object | null> } }} */ (navigator);
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return { memory: gib === undefined ? undefined : gib * 2 ** 30, webgpu: Boolean(adapter) };
}
