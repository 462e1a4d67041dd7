/** In the worker: which backend to try, and why. */
import type { AdapterLimits, Backend } from './engine.js';
import { PagelmError, toPagelmError } from './errors.js';
import type { LoadSettings } from './protocol.js';

export interface BackendChoice {
  backend: Backend;
  /** A sentence, or two. */
  reason: string;
  /** WebGPU was not asked for by name: when it does not take the model, the CPU does. */
  mayFallBack: boolean;
  /** No backend was asked for by name. */
  isAuto?: boolean;
  /** What the adapter allows, if one was asked for. */
  adapter?: AdapterLimits;
  /** The adapter that WebGPU is to use, if it is no emulation: its products are tuned. */
  hardware?: Hardware;
}

export interface Hardware {
  name: string;
  /** WebGPU was not asked for by name: if the CPU is faster, it is used. */
  mayLose: boolean;
}

/** What is asked of `navigator.gpu`. */
export interface Gpu {
  requestAdapter(): Promise<Adapter | null>;
}

interface Adapter {
  readonly info?: { readonly vendor?: string; readonly architecture?: string; readonly device?: string; readonly description?: string; readonly isFallbackAdapter?: boolean };
  /** Where browsers had it before it moved to `info`. */
  readonly isFallbackAdapter?: boolean;
  readonly limits?: Partial<AdapterLimits>;
}

/** Vulkan's and Direct3D's emulations on the CPU: each is slower than the CPU backend itself. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|basic render/i;

/** @throws {PagelmError} `gpu-unavailable` when WebGPU was asked for by name and there is no adapter */
export async function chooseBackend(wanted: LoadSettings['backend'], gpu: Gpu | undefined): Promise<BackendChoice> {
  if (wanted === 'cpu') return cpu('The CPU was asked for.');
  const found = await findAdapter(gpu);
  if (wanted === 'webgpu') {
    if ('missing' in found) throw unavailable(found.missing);
    return { backend: 'webgpu', reason: `WebGPU was asked for; the adapter is ${found.name}.`, mayFallBack: false, ...found.limits, ...hardware(found, false) };
  }
  if ('missing' in found) return { ...cpu(`The CPU is used because ${found.missing}.`), isAuto: true };
  const auto = { isAuto: true, ...found.limits };
  if (found.software) return { ...cpu(`The CPU is used because the WebGPU adapter (${found.name}) is a software emulation.`), ...auto };
  return { backend: 'webgpu', reason: `WebGPU is used because there is a hardware adapter (${found.name}).`, mayFallBack: true, ...auto, ...hardware(found, true) };
}

/** So many devices in a row are replaced; after one more the CPU is used. */
const REPLACED_DEVICES = 2;

/**
 * The choice for a model whose device was lost, the last of `losses` in a row: another device, or the CPU where none comes back.
 * That is so for a model that was loaded with WebGPU by name, too: what has been said is gone on with.
 */
export async function chooseAfterLoss(wanted: LoadSettings['backend'], gpu: Gpu | undefined, losses: number): Promise<BackendChoice> {
  if (losses > REPLACED_DEVICES) return cpu(`The CPU is used because ${losses} WebGPU devices in a row were lost.`);
  const found = await findAdapter(gpu);
  if ('missing' in found) return cpu(`The CPU is used because the WebGPU device was lost and ${found.missing}.`);
  if (found.software && wanted === 'auto') return cpu(`The CPU is used because the WebGPU device was lost and what is left is a software emulation (${found.name}).`);
  return { backend: 'webgpu', reason: `WebGPU is used, on another device after the loss of one (${found.name}).`, mayFallBack: true, isAuto: true, ...found.limits, ...hardware(found, wanted === 'auto') };
}

/** The choice after `error` in preparing WebGPU, or undefined when the CPU would fail just so. */
export function fallBack(choice: BackendChoice, error: unknown): BackendChoice | undefined {
  const { code, message } = toPagelmError(error);
  const isDevice = code === 'gpu-unavailable' || code === 'gpu-failure' || code === 'out-of-memory';
  if (!choice.mayFallBack || !isDevice) return undefined;
  return cpu(`The CPU is used because WebGPU did not take the model (${code}: ${message.replace(/\.$/, '')}).`);
}

/** WebGPU has failed under a model whose weights it was given: what is tried instead needs them again. */
export class Instead extends Error {
  readonly choice: BackendChoice;

  constructor(choice: BackendChoice, cause: unknown) {
    super(choice.reason, { cause });
    this.choice = choice;
  }
}

function cpu(reason: string): BackendChoice {
  return { backend: 'cpu', reason, mayFallBack: false };
}

/** To be spread into a choice. */
function hardware({ name, software }: Found, mayLose: boolean): { hardware?: Hardware } {
  return software ? {} : { hardware: { name, mayLose } };
}

interface Found {
  name: string;
  software: boolean;
  /** To be spread into a choice. */
  limits: { adapter?: AdapterLimits };
}

async function findAdapter(gpu: Gpu | undefined): Promise<{ missing: string } | Found> {
  if (gpu === undefined) return { missing: 'navigator.gpu does not exist in the worker' };
  let adapter: Adapter | null;
  try {
    adapter = await gpu.requestAdapter();
  } catch (error) {
    return { missing: `requesting a WebGPU adapter failed (${String(error)})` };
  }
  if (adapter === null) return { missing: 'there is no WebGPU adapter' };
  const { info } = adapter;
  const words = [info?.vendor, info?.architecture, info?.device, info?.description].filter((word) => word);
  const name = words.length > 0 ? words.join(' ') : 'unnamed';
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits ?? {};
  const isKnown = maxBufferSize !== undefined && maxStorageBufferBindingSize !== undefined;
  return {
    name,
    software: (info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false) || SOFTWARE.test(name),
    limits: isKnown ? { adapter: { maxBufferSize, maxStorageBufferBindingSize } } : {},
  };
}

function unavailable(why: string): PagelmError {
  return new PagelmError(
    'gpu-unavailable',
    `backend is 'webgpu', but ${why}. Use a browser with WebGPU in workers on a secure (https or localhost) page, or backend 'auto' or 'cpu'.`,
  );
}
