/** In the worker: one generation, from its prompt to its end. */
import type { Engine, EngineCall, Pieces, SamplingOptions, StartOptions, Step } from './engine.js';
import type { Constraint, GrammarSource } from './grammar.js';
import type { WithEngine } from './loaded-model.js';
import type { DeltaMessage, FinishMessage, Prompt, PromptMessage } from './protocol.js';
import { nextTask } from './queue.js';
import type { FinishReason, ToolCall } from './types.js';

export type Emit = (message: Omit<PromptMessage, 'id'> | Omit<DeltaMessage, 'id'> | Omit<FinishMessage, 'id'>) => void;

const NOTHING: Pieces = { reasoning: '', text: '', calls: [] };

export class Turn {
  readonly #emit: Emit;
  readonly #tellsProgress: boolean;
  /** Tokens of the prompt that were told of last. */
  #told = -1;
  readonly #received = performance.now();
  /** How the generation began, and what it gave, for an engine that is to go on with it. */
  #begin: { tokens: Uint32Array; options: StartOptions } | undefined;
  readonly #grammars: GrammarSource | undefined;
  /** What the answer is held to. */
  #constraint: Constraint | undefined;
  /** Which tokens it may go on with; undefined when it is complete. */
  #mask: Uint32Array | undefined;
  readonly #generated: number[] = [];
  /** What is still to be shown, while no engine has the generation: it has not begun, or the device was lost. */
  #held: Pieces | undefined = NOTHING;
  #cancelled = false;
  #finished = false;
  #hasCalls = false;
  // when things happened, as `performance.now()`; undefined until they have
  #begun: number | undefined;
  #promptDone: number | undefined;
  #firstToken: number | undefined;
  #usage = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };

  constructor(emit: Emit, tellsProgress = false, grammars?: GrammarSource) {
    this.#emit = emit;
    this.#grammars = grammars;
    this.#tellsProgress = tellsProgress;
  }

  /** Ends the turn after the step that is running; at once if it waits for its turn, or for a model that is loaded again. */
  cancel(): void {
    this.#cancelled = true;
    if (this.#held === undefined || this.#finished) return;
    this.#rest(this.#held);
    this.#finish('aborted');
  }

  async run(withEngine: WithEngine, prompt: Prompt, options: SamplingOptions): Promise<void> {
    if (this.#finished) return;
    if (options.grammar !== undefined) await this.#grammars?.ready();
    await withEngine((engine) => this.#start(engine, prompt, options));
    while (!this.#finished) {
      const isComplete = this.#constraint !== undefined && this.#mask === undefined;
      if (this.#cancelled || isComplete) {
        this.#rest(await withEngine((engine) => engine.stop()));
        this.#finish(isComplete ? 'stop' : 'aborted');
      } else {
        this.#take(await withEngine((engine) => this.#step(engine), (engine) => this.#goOn(engine)));
      }
      await nextTask(); // a cancel may have come
    }
  }

  #start(engine: Engine, prompt: Prompt, options: SamplingOptions): void {
    if (this.#finished) return;
    const { tokens, ...chat } = prepare(engine, prompt);
    const { grammar, ...sampling } = options;
    if (grammar !== undefined) {
      this.#constraint = this.#grammars?.open(engine, grammar);
      this.#mask = this.#constraint?.mask();
    }
    this.#begin = { tokens, options: { ...sampling, seed: options.seed ?? randomSeed(), ...chat, ...(grammar && { constrained: true }) } };
    this.#begun = performance.now();
    const counts = engine.start(tokens, this.#begin.options);
    if (this.#mask !== undefined) engine.allow(this.#mask);
    this.#held = undefined;
    this.#usage = { promptTokens: counts.promptTokens, cachedTokens: counts.cachedTokens, generatedTokens: 0 };
    this.#tell(counts.cachedTokens);
  }

  async #step(engine: Engine): Promise<Step | undefined> {
    try {
      const step = await engine.step();
      if (step.type === 'token' && step.isConstrained) this.#constrain(engine, step.token);
      return step;
    } catch (error) {
      try {
        this.#held = engine.stop(); // it must be ready for the next turn, too
        if (this.#cancelled) this.cancel();
      } catch {
        // that it cannot stop either is less interesting than `error`
      }
      throw error;
    }
  }

  #constrain(engine: Engine, token: number): void {
    this.#constraint?.accept(token);
    this.#mask = this.#constraint?.mask();
    if (this.#mask !== undefined) engine.allow(this.#mask);
  }

  /** Takes the generation to a new engine, which then is where the old one was. */
  #goOn(engine: Engine): undefined {
    if (this.#finished || this.#begin === undefined) return;
    engine.start(this.#begin.tokens, this.#begin.options);
    engine.replay(Uint32Array.from(this.#generated));
    if (this.#mask !== undefined) engine.allow(this.#mask);
    this.#held = undefined;
  }

  #take(step: Step | undefined): void {
    switch (step?.type) {
      case 'prefill':
        this.#tell(step.done);
        if (step.done >= step.total) this.#promptDone ??= performance.now();
        break;
      case 'token':
        this.#token(step);
        break;
      case 'finish':
        this.#rest(step);
        this.#finish(step.reason === 'stop' && this.#hasCalls ? 'tool-calls' : step.reason);
        break;
    }
  }

  #token({ token, reasoning, text, calls, logprob }: Step & { type: 'token' }): void {
    this.#firstToken ??= performance.now();
    this.#tell(this.#usage.promptTokens);
    this.#promptDone ??= this.#firstToken;
    this.#usage.generatedTokens += 1;
    this.#generated.push(token);
    this.#emit({ type: 'delta', reasoning, text, tokens: [token], ...this.#named(calls), ...(logprob && { logprobs: [{ token, ...logprob }] }) });
  }

  /** How much of the prompt is evaluated. It only grows: after the loss of a device nothing is said before it is caught up. */
  #tell(loaded: number): void {
    if (!this.#tellsProgress || loaded <= this.#told) return;
    this.#told = loaded;
    this.#emit({ type: 'prompt', loaded, total: this.#usage.promptTokens });
  }

  /** What had been held back, because it could have become a stop text or a tag, or was half a character. */
  #rest({ reasoning, text, calls }: Pieces): void {
    if (reasoning !== '' || text !== '' || calls.length > 0) this.#emit({ type: 'delta', reasoning, text, tokens: [], ...this.#named(calls) });
  }

  /** Calls to be answered need names of their own. */
  #named(calls: EngineCall[]): { calls?: ToolCall[] } {
    if (calls.length === 0) return {};
    this.#hasCalls = true;
    return { calls: calls.map(({ id = randomId(), name, arguments: text }) => ({ type: 'tool-call', id, name, arguments: text })) };
  }

  #finish(reason: FinishReason): void {
    if (this.#finished) return;
    this.#finished = true;
    const now = performance.now();
    const promptDone = this.#promptDone ?? now;
    const timings = {
      ...this.#usage,
      promptMs: this.#begun === undefined ? 0 : promptDone - this.#begun,
      generateMs: now - promptDone,
      timeToFirstTokenMs: this.#firstToken === undefined ? 0 : this.#firstToken - this.#received,
    };
    this.#emit({ type: 'finish', reason, usage: { ...this.#usage }, timings });
  }
}

/** A raw text gets what the model wants around a text; a rendered template has it already. */
function prepare(engine: Engine, prompt: Prompt): { tokens: Uint32Array } & Pick<StartOptions, 'chatPrompt' | 'tools'> {
  switch (prompt.kind) {
    case 'tokens':
      return { tokens: prompt.tokens };
    case 'text':
      return { tokens: engine.tokenize(prompt.text, true, true) };
    case 'chat': {
      const { messages, variables, tools } = prompt;
      const chatPrompt = renderTemplate(engine, messages, { addGenerationPrompt: true, ...(variables && { variables }), ...(tools && { tools }) });
      return { tokens: engine.tokenize(chatPrompt, false, true), chatPrompt, ...(tools && { tools: JSON.stringify(tools) }) };
    }
  }
}

/** @param messages JSON */
export function renderTemplate(engine: Engine, messages: string, options: object): string {
  // as the page's clock shows it: a template that writes the date means the reader's day
  const now = Math.floor(Date.now() / 1000) - 60 * new Date().getTimezoneOffset();
  return engine.applyChatTemplate(messages, JSON.stringify({ ...options, now }));
}

/** As short as the templates of Mistral's models want it. */
function randomId(): string {
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => letters[byte % letters.length]).join('');
}

function randomSeed(): number {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return seed;
}
