/** In the worker: from a stream of bytes to an engine. The file is never held whole here. */
import { type BackendChoice, Instead, fallBack } from './backend.js';
import { type ModelStream, type OpenFile, PIECE_BYTES, type Room } from './byte-stream.js';
import type { Engine, EngineModule, Loader } from './engine.js';
import { fitting } from './fit.js';
import { addParts } from './parts.js';
import { type ErrorCode, toPagelmError } from './errors.js';
import type { Progress } from './progress.js';
import type { LoadSettings } from './protocol.js';
import { nextTask } from './queue.js';
import { type Calibration, calibrated } from './tunings.js';
import type { LoadTimings } from './types.js';

/** How much may be on its way to the GPU before it is waited for: it bounds the browser's staging memory. */
const FLUSH_BYTES = 32 * 1024 * 1024;
/** Errors that every later load of the same bytes would meet, too: an unfinished download of them is of no use. */
const NO_MODEL: readonly ErrorCode[] = ['invalid-gguf', 'invalid-model', 'limit-exceeded', 'unsupported-type', 'unsupported-architecture'];
/** How long the worker may go without looking at its messages, in milliseconds. */
const BREATH_MS = 20;
/** How often it is looked whether all shaders are compiled, once all bytes are there, in milliseconds. */
const LOOK_MS = 5;

/** The build for a backend: another one may be faster there, or have no code for it. */
export type ModuleFor = (backend: BackendChoice['backend']) => Promise<Pick<EngineModule, 'Loader'>>;

export interface Ingested {
  engine: Engine;
  /** What it became, after a possible fall back to the CPU. */
  choice: BackendChoice;
  /** Its own parts of {@link LoadTimings}. */
  timings: LoadTimings;
}

/** @throws {Instead} where WebGPU fails after the model was prepared for it, and the CPU may take the model */
export async function ingest(
  wasm: Pick<EngineModule, 'Loader'>, stream: ModelStream, settings: LoadSettings, choice: BackendChoice, progress: Progress, signal: AbortSignal,
  forBackend: ModuleFor = async () => wasm, calibration?: Calibration,
): Promise<Ingested> {
  const intake = new Intake(wasm, stream.files, settings, choice, forBackend, calibration);
  try {
    await intake.addParts();
    let pushed = 0;
    let flushed = 0;
    let [readMs, uploadMs] = [0, 0];
    let breath = performance.now();
    let lap = breath;
    for await (const piece of stream.pieces(intake.room)) {
      const arrived = performance.now();
      readMs += arrived - lap;
      await intake.push(piece);
      pushed += piece.byteLength;
      if (pushed - flushed >= FLUSH_BYTES) {
        await intake.loader.flush();
        flushed = pushed;
      }
      lap = performance.now();
      uploadMs += lap - arrived;
      progress.report('upload', pushed, stream.total);
      intake.reportCompiled(progress);
      if (performance.now() - breath > BREATH_MS) {
        await nextTask();
        breath = performance.now();
      }
      signal.throwIfAborted();
    }
    const complete = performance.now();
    while (intake.reportCompiled(progress)) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      signal.throwIfAborted();
    }
    progress.report('compile', intake.shaders, intake.shaders + 1);
    const engine = await intake.finish();
    progress.report('compile', intake.shaders + 1, intake.shaders + 1);
    const timings = { compileMs: performance.now() - complete, readMs, uploadMs: uploadMs - intake.prepareMs };
    return { engine, choice: intake.choice, timings };
  } catch (error) {
    try {
      intake.free();
    } catch {
      // after a trap it cannot be freed, and the first error is the one that counts
    }
    const isNoModel = NO_MODEL.includes(toPagelmError(error).code);
    // what was refused as it is asked for may run with a shorter context: an earlier part of it is worth keeping
    if (isNoModel || intake.isRefused) await stream.refuse?.(!isNoModel);
    const other = intake.isPrepared ? fallBack(intake.choice, error) : undefined;
    throw other === undefined ? error : new Instead(other, error);
  } finally {
    await stream.close();
  }
}

/** A loader that is replaced by one for the other backend when only that has room, or when WebGPU does not take the model or is slower. */
class Intake {
  loader: Loader;
  choice: BackendChoice;
  /** Of all that was pushed: what the end of the header set off. */
  prepareMs = 0;
  /** What the header says is refused, or the device has no room for it. */
  isRefused = false;
  /** Every buffer is there, and pieces are weights from now on, of which no copies are kept. */
  isPrepared = false;
  /** Shaders that are compiled while bytes arrive. */
  shaders = 0;
  readonly #create: (wasm: Pick<EngineModule, 'Loader'>, choice: BackendChoice) => Loader;
  readonly #forBackend: ModuleFor;
  readonly #calibration: Calibration | undefined;
  readonly #later: readonly OpenFile[];
  /** Where the next piece may be read to, in the memory of the loader. */
  #staged: Uint8Array | undefined;
  /** Copies of what was pushed, for another loader; dropped as soon as none can follow. */
  #replay: Uint8Array[] | undefined;
  #consumed = false;

  constructor(
    wasm: Pick<EngineModule, 'Loader'>, [first, ...later]: readonly OpenFile[], settings: LoadSettings, choice: BackendChoice,
    forBackend: ModuleFor, calibration: Calibration | undefined,
  ) {
    const { contextLength, kvCacheType, chatTemplate, webgpu } = settings;
    this.#create = ({ Loader }, { backend }) => new Loader({
      backend,
      fileBytes: first?.bytes ?? 0,
      ...(contextLength !== undefined && { contextLength }),
      ...(kvCacheType !== undefined && { kvCacheType }),
      // the build with threads knows of no such option
      ...(webgpu !== undefined && backend === 'webgpu' && { webgpu }),
      ...(chatTemplate !== undefined && { chatTemplate }),
    });
    this.#forBackend = forBackend;
    this.#calibration = calibration;
    this.#later = later;
    this.choice = choice;
    this.#replay = choice.mayFallBack || choice.isAuto ? [] : undefined;
    this.loader = this.#create(wasm, choice);
  }

  /** Tells how many shaders of how many are compiled, and there is one step more, which is the end. Whether some are left. */
  reportCompiled(progress: Progress): boolean {
    const left = this.loader.compiling?.() ?? 0;
    this.shaders = Math.max(this.shaders, left);
    if (this.shaders > 0) progress.report('compile', this.shaders - left, this.shaders + 1);
    return left > 0;
  }

  /** See {@link OpenFile.pieces}; undefined if the loader has none. */
  get room(): Room | undefined {
    if (this.loader.stage === undefined) return undefined;
    return () => (this.#staged = this.loader.stage?.(PIECE_BYTES) ?? new Uint8Array(PIECE_BYTES));
  }

  /** Shows the loader the headers of all files but the first. */
  addParts(): Promise<void> {
    return addParts(this.loader, this.#later);
  }

  async push(piece: Uint8Array): Promise<void> {
    this.#replay?.push(piece.slice());
    try {
      if (this.#pushOnce(piece)) await this.#prepare();
    } catch (error) {
      this.isRefused = !this.isPrepared;
      throw error;
    }
  }

  /** The header is complete: on which backend there is room, and having it. */
  async #prepare(): Promise<void> {
    const begun = performance.now();
    const fits = this.loader.fits(this.choice.adapter);
    let choice = fitting(this.choice, fits);
    try {
      if (choice === this.choice && this.#calibration !== undefined) choice = await calibrated(choice, this.loader, this.#calibration, fits.cpu.fits);
      if (choice.backend === this.choice.backend) {
        this.choice = choice;
        await this.loader.prepare();
      } else {
        await this.#startAgain(choice, this.#replay ?? []);
      }
    } catch (error) {
      const other = fallBack(this.choice, error);
      if (other === undefined || this.#replay === undefined) throw error;
      await this.#startAgain(other, this.#replay);
    }
    this.#replay = undefined;
    this.isPrepared = true;
    this.prepareMs = performance.now() - begun;
  }

  #pushOnce(piece: Uint8Array): boolean {
    const staged = this.#staged;
    this.#staged = undefined;
    if (staged === undefined || piece.buffer !== staged.buffer || piece.byteOffset !== staged.byteOffset) return this.loader.push(piece);
    return this.loader.pushStaged?.(piece.byteLength) ?? false;
  }

  finish(): Promise<Engine> {
    this.#consumed = true;
    return this.loader.finish();
  }

  free(): void {
    if (!this.#consumed) this.loader.free();
  }

  async #startAgain(choice: BackendChoice, pieces: Uint8Array[]): Promise<void> {
    this.loader.free();
    this.#consumed = true;
    this.loader = this.#create(await this.#forBackend(choice.backend), choice);
    this.#consumed = false;
    this.choice = choice;
    await this.addParts();
    for (const piece of pieces) {
      if (!this.loader.push(piece)) continue;
      fitting({ ...choice, isAuto: false }, this.loader.fits(choice.adapter));
      await this.loader.prepare();
    }
  }
}
