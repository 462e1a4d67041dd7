/** In the worker: what holds answers to grammars, a WebAssembly module of its own that is fetched when one is first used. */
import type { Engine, GrammarText } from './engine.js';
import { PagelmError } from './errors.js';

/** The grammar of one answer, and how far the answer is. */
export interface Constraint {
  /** Which tokens may follow, for `Engine.allow`; undefined when the answer is complete. */
  mask(): Uint32Array | undefined;
  accept(token: number): void;
}

export interface GrammarSource {
  /** Fetches what {@link GrammarSource.open} needs. */
  ready(): Promise<void>;
  /** @throws {PagelmError} `invalid-argument`, `limit-exceeded`, `unsupported-tokenizer` */
  open(engine: Engine, grammar: GrammarText): Constraint;
}

/** What `grammar/src/exports.rs` has: larger things go through a room in its memory. */
interface Exports {
  memory: WebAssembly.Memory;
  reserve(bytes: number): void;
  room(): number;
  room_bytes(): number;
  vocabulary(): number;
  start(kind: number): number;
  mask(): number;
  accept(token: number): number;
}

const DONE = 0;
const LIMIT = 2;
const COMPLETE = 3;
const KINDS = { jsonSchema: 0, regex: 1, lark: 2 } as const satisfies Record<GrammarText['kind'], number>;

/** What an instance may keep from one grammar to the next: memory is never given back. The largest vocabularies take some 30 MB. */
const MOST_KEPT_BYTES = 128 * 2 ** 20;

// Bundlers look for exactly this expression.
const FILE = new URL('./wasm/pagelm_grammar.wasm', import.meta.url);

/** For one model. */
export class Grammars implements GrammarSource {
  readonly #fetchModule: () => Promise<WebAssembly.Module>;
  #module: WebAssembly.Module | undefined;
  /** With the model's vocabulary. */
  #instance: Instance | undefined;

  constructor(fetchModule = fetchGrammarModule) {
    this.#fetchModule = fetchModule;
  }

  async ready(): Promise<void> {
    this.#module ??= await this.#fetchModule();
  }

  open(engine: Engine, { kind, text }: GrammarText): Constraint {
    const instance = this.#usable(engine);
    instance.write(new TextEncoder().encode(text));
    instance.do('start', KINDS[kind]);
    return {
      mask: () => (instance.do('mask') === COMPLETE ? undefined : new Uint32Array(instance.read().buffer)),
      accept: (token) => void instance.do('accept', token),
    };
  }

  #usable(engine: Engine): Instance {
    if (this.#instance?.isUsable()) return this.#instance;
    if (this.#module === undefined) throw new PagelmError('internal', 'A grammar was opened before its module was there.');
    const instance = new Instance(this.#module);
    instance.write(engine.packedVocabulary());
    instance.do('vocabulary');
    return (this.#instance = instance);
  }
}

class Instance {
  readonly #exports: Exports;
  #isBroken = false;

  constructor(module: WebAssembly.Module) {
    this.#exports = stopping(() => new WebAssembly.Instance(module, {}).exports as unknown as Exports, () => {});
  }

  isUsable(): boolean {
    return !this.#isBroken && this.#exports.memory.buffer.byteLength <= MOST_KEPT_BYTES;
  }

  /** Calls a function that gives a status. @throws {PagelmError} `invalid-argument`, `limit-exceeded` */
  do(name: 'vocabulary' | 'start' | 'mask' | 'accept', value = 0): number {
    const status = this.#run(() => this.#exports[name](value));
    if (status === DONE || status === COMPLETE) return status;
    throw new PagelmError(status === LIMIT ? 'limit-exceeded' : 'invalid-argument', `${capital(new TextDecoder().decode(this.read()))}.`);
  }

  write(bytes: Uint8Array): void {
    this.#run(() => this.#exports.reserve(bytes.byteLength));
    this.#view().set(bytes);
  }

  /** A copy. */
  read(): Uint8Array {
    return this.#view().slice();
  }

  #view(): Uint8Array {
    const { memory, room, room_bytes: bytes } = this.#exports;
    return new Uint8Array(memory.buffer, room(), bytes());
  }

  #run<T>(job: () => T): T {
    return stopping(job, () => { this.#isBroken = true; });
  }
}

/** Runs `job`, whose traps (no memory, no stack, a bug of the library) are the end of the instance, but of nothing else. */
function stopping<T>(job: () => T, onStop: () => void): T {
  try {
    return job();
  } catch (cause) {
    onStop();
    throw new PagelmError('limit-exceeded', `The grammar takes more than it may: what works on it stopped (${String(cause)}). Make the grammar simpler.`, { cause });
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, '');
}

/** @throws {PagelmError} `network`, `unsupported-environment` */
async function fetchGrammarModule(): Promise<WebAssembly.Module> {
  const response = await fetch(FILE).catch((cause: unknown) => {
    throw new PagelmError('network', `The module for grammars, ${FILE.href}, cannot be fetched: ${String(cause)}.`, { cause });
  });
  if (!response.ok) throw new PagelmError('network', `The module for grammars, ${FILE.href}, cannot be fetched: the server answers ${response.status}. It must be served beside the worker.`);
  try {
    const isStreamable = response.headers.get('Content-Type')?.startsWith('application/wasm');
    return await (isStreamable ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer()));
  } catch (cause) {
    throw new PagelmError('unsupported-environment', `The module for grammars, ${FILE.href}, cannot be started: ${String(cause)}. A content security policy needs script-src 'wasm-unsafe-eval'.`, { cause });
  }
}
