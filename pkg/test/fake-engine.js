// Stands in for the WebAssembly engine, in Node and in the browser: the same methods, no model. One token is one
// UTF-16 unit. It generates its prompt again, backwards, and refuses overlapping calls as wasm-bindgen does.

// In a browser the page must have a chance to stop a generation, however busy the machine is.
const IN_WORKER = typeof WorkerGlobalScope !== 'undefined';

export const state = { loaders: [], prepare: undefined, fits: undefined, tune: undefined, stepError: undefined, stepMs: IN_WORKER ? 1 : 0, starts: [], stops: 0, uses: Infinity, lossCode: 'device-lost' };

function failure(code, message) {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

const HEADER_BYTES = 8;
// Without a time to wait there is no task in between, as in an engine that never leaves the CPU.
const pause = async (ms) => { if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms)); };

/** Not SHA-256: a sum, in its shape. */
export class Hasher {
  sum = 0;
  update(bytes) {
    for (const byte of bytes) this.sum = (this.sum + byte) >>> 0;
  }
  hex() {
    return this.sum.toString(16).padStart(64, '0');
  }
  free() {}
}

export class Loader {
  bytes = 0;
  sum = 0;
  pushes = [];
  flushes = 0;
  freed = false;
  needsPrepare = false;
  constructor(options) {
    this.options = options;
    state.loaders.push(this);
  }
  push(bytes) {
    if (this.needsPrepare) throw failure('internal', 'push before prepare');
    const before = this.bytes;
    for (const byte of bytes) this.sum = (this.sum + byte) >>> 0;
    this.bytes += bytes.byteLength;
    this.pushes.push(bytes.byteLength);
    this.needsPrepare = before < HEADER_BYTES && this.bytes >= HEADER_BYTES;
    return this.needsPrepare;
  }
  async prepare() {
    this.needsPrepare = false;
    await state.prepare?.(this.options);
  }
  tuningKey() {
    return this.options.backend === 'webgpu' ? 'fake' : undefined;
  }
  async tune(split) {
    return state.tune?.(split);
  }
  fits() {
    return state.fits?.(this.options) ?? { cpu: { fits: true }, webgpu: { fits: true } };
  }
  async flush() {
    this.flushes += 1;
  }
  async finish() {
    if (this.bytes !== this.options.fileBytes) throw failure('invalid-gguf', `${this.bytes} bytes of ${this.options.fileBytes}`);
    return new Engine(this.options, this.sum);
  }
  free() {
    this.freed = true;
  }
}

export class Engine {
  #busy = false;
  #left = undefined;
  #isLost = false;
  #allowed = undefined;
  constructor(options, sum) {
    this.options = options;
    this.sum = sum;
  }
  #alone() {
    if (this.#busy) throw new Error('recursive use of an object detected which would lead to unsafe aliasing in rust');
  }
  /** Of the device, which is lost once `state.uses` of it are over. */
  #use() {
    this.#isLost ||= this.options.backend === 'webgpu' && state.uses-- <= 0;
    if (this.#isLost) throw failure(state.lossCode, 'it was pulled out');
  }
  info() {
    this.#alone();
    const { backend, contextLength = 64, fileBytes: bytes } = this.options;
    return { architecture: 'fake', name: `sum ${this.sum}`, parameters: 1, quantisation: 'F32', contextLength, vocabularySize: 65536, backend, device: 'none', kernels: 'relaxed-i16', threads: 1, webgpu: null, kvCacheType: 'f32', bytes, memoryBytes: bytes, tokenizerError: null, chatTemplate: 'model', reasoning: 'none' };
  }
  tokenize(text, addSpecial, parseSpecial) {
    this.#alone();
    const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
    return Uint32Array.from([...(addSpecial ? [1] : []), ...units, ...(parseSpecial ? [] : [2])]);
  }
  detokenize(tokens) {
    this.#alone();
    return String.fromCharCode(...tokens);
  }
  applyChatTemplate(messagesJson, optionsJson) {
    this.#alone();
    const options = JSON.parse(optionsJson);
    if (typeof options.now !== 'number') throw failure('chat-template', 'no time');
    const turns = JSON.parse(messagesJson).map(({ role, content }) => `${role}:${content};`).join('');
    const variables = options.variables ? `${JSON.stringify(options.variables)};` : '';
    return turns + variables + (options.tools ? `tools:${options.tools.length};` : '') + (options.addGenerationPrompt ? '>' : '');
  }
  start(prompt, options) {
    this.#alone();
    if (prompt.length >= (this.options.contextLength ?? 64)) throw failure('context-overflow', `${prompt.length} tokens`);
    state.starts.push({ prompt: [...prompt], options });
    this.#allowed = undefined;
    this.#left = { tokens: [...prompt].reverse(), max: options.maxTokens ?? Infinity, logprobs: options.logprobs, prefilled: false, held: '', thinks: options.chatPrompt?.startsWith('user:think'), tools: options.tools && JSON.parse(options.tools), constrained: options.constrained };
    return { promptTokens: prompt.length, cachedTokens: 0 };
  }
  packedVocabulary() {
    this.#alone();
    return Uint8Array.of(1, 2, 3);
  }
  allow(words) {
    this.#alone();
    if (!this.#left?.constrained) throw failure('invalid-argument', 'it is free');
    this.#allowed = words;
  }
  replay(generated) {
    this.#alone();
    for (const token of generated) {
      if (this.#left.tokens[0] !== token) throw failure('invalid-argument', `${token} is not what follows`);
      this.#next(this.#left);
    }
  }
  async step() {
    this.#alone();
    const left = this.#left;
    if (left === undefined) throw failure('internal', 'step without start');
    this.#busy = true;
    try {
      await pause(state.stepMs);
      this.#use();
      if (!left.prefilled) {
        left.prefilled = true;
        return { type: 'prefill', done: 1, total: 1 };
      }
      if (state.stepError) throw state.stepError;
      if (left.tokens.length === 0 || left.max-- <= 0) {
        this.#left = undefined;
        return { type: 'finish', reason: left.tokens.length === 0 ? 'stop' : 'length', reasoning: '', text: left.held, calls: [] };
      }
      if (!left.constrained) return this.#next(left);
      // of the tokens that may follow the first one that is the prompt's; the others are passed over
      if (this.#allowed === undefined) throw failure('invalid-argument', 'what may follow was not told');
      const may = (token) => (this.#allowed[token >> 5] >> (token & 31)) & 1;
      while (left.tokens.length > 0 && !may(left.tokens[0])) left.tokens.shift();
      if (left.tokens.length === 0) throw failure('invalid-argument', 'nothing may follow');
      this.#allowed = undefined;
      return { ...this.#next(left), isConstrained: true };
    } finally {
      this.#busy = false;
    }
  }
  #next(left) {
    // '~' is held back until the next token, as the beginning of a stop text would be
    // in a chat whose first message begins with 'think', all up to the first ';' is reasoning
    const token = left.tokens.shift();
    const character = String.fromCharCode(token);
    if (left.thinks) {
      left.thinks = character !== ';';
      return { type: 'token', token, reasoning: left.thinks ? character : '', text: '', calls: [] };
    }
    const text = character === '~' ? '' : left.held + character;
    left.held = character === '~' ? left.held + '~' : '';
    const logprob = left.logprobs === undefined ? undefined : { logprob: -token, top: [{ token, logprob: -token }] };
    // in a chat with tools, '!' calls the first
    const calls = character === '!' && left.tools ? [{ name: left.tools[0].function.name, arguments: '{}' }] : [];
    return { type: 'token', token, reasoning: '', text: calls.length > 0 ? '' : text, calls, ...(logprob && { logprob }) };
  }
  stop() {
    this.#alone();
    state.stops += 1;
    const held = this.#left?.held ?? '';
    this.#left = undefined;
    return { reasoning: '', text: held, calls: [] };
  }
  async logits(tokens) {
    this.#alone();
    this.#busy = true;
    await pause(state.stepMs);
    this.#busy = false;
    this.#use();
    return Float32Array.from([tokens.length, 0.5]);
  }
  async score(tokens) {
    this.#alone();
    this.#use();
    return Float32Array.from(tokens.slice(1), (token) => -token);
  }
  counters() {
    this.#alone();
    return null;
  }
  free() {}
}

export function setThreads() {}
export function setRowThreads() {}
export function kernelForms() { return ['relaxed-i16']; }
export function setKernels() {}
/** The smallest module there is. */
export const compiledModule = () => new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
export function help() {}
export function helpFailed() {}

export default async function init() {
  return { memory: undefined };
}
