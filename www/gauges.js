// What the engine does, under the composer: backend, speed, context, and a pulse with one tick for each piece of text.
import { fillFacts, element } from './page.js';
import { formatBytes, formatCount, formatRate, formatSeconds } from './format.js';

/** @typedef {import('./pagelm.js').ModelInfo} ModelInfo */
/** @typedef {import('./pagelm.js').Finish} Finish */

const backendNames = { webgpu: 'WebGPU', cpu: 'CPU' };
const pulseSeconds = 4;

/** @param {ModelInfo} info @param {{ fromCache: boolean, loadMs: number } | undefined} ready */
export function showInfo(info, ready) {
  element('backend', HTMLElement).textContent = `${backendNames[info.backend]} · ${info.name}`;
  element('reason', HTMLElement).textContent = info.backendReason;
  /** @type {[string, string][]} */
  const rows = [
    ['Model', info.name],
    ['Architecture', info.architecture],
    ['Weights', `${formatCount(info.parameters)}, ${info.quantisation}, ${formatBytes(info.bytes)}`],
    ['Vocabulary', `${info.vocabularySize.toLocaleString('en')} tokens`],
    ['Context', `${info.contextLength.toLocaleString('en')} tokens`],
    ['Runs on', `${backendNames[info.backend]}: ${info.device}`],
    ['CPU threads', String(info.threads)],
  ];
  if (ready) rows.push(['Loaded', `in ${formatSeconds(ready.loadMs)}${ready.fromCache ? ', from the copy on this device' : ''}`]);
  fillFacts(element('facts', HTMLElement), rows);
  showContext(0, info.contextLength);
}

/** @param {number} used @param {number} length  both in tokens */
export function showContext(used, length) {
  element('context-meter', HTMLMeterElement).value = used / length;
  element('context-text', HTMLElement).textContent = `${used.toLocaleString('en')} of ${length.toLocaleString('en')}`;
}

/** @param {string} text */
export function showSpeed(text) {
  element('speed', HTMLElement).textContent = text;
}

/** @param {Finish} finish */
export function describeFinish({ reason, timings }) {
  const { promptTokens, cachedTokens, promptMs, generatedTokens, generateMs } = timings;
  return [
    `${generatedTokens} ${generatedTokens === 1 ? 'token' : 'tokens'}`,
    formatRate(generatedTokens, generateMs),
    promptMs > 0 && `prompt ${formatRate(promptTokens - cachedTokens, promptMs)}`,
    { stop: '', length: 'cut at the limit', aborted: 'stopped', 'tool-calls': '' }[reason],
  ].filter(Boolean).join(' · ');
}

/** The last seconds of a stream, one tick for each piece; and its speed, estimated from them. */
export class Pulse {
  #canvas = element('pulse', HTMLCanvasElement);
  /** @type {number[]} times of the pieces, in ms */
  #ticks = [];
  #running = false;

  start() {
    this.#ticks = [];
    this.#running = true;
    this.#frame();
  }

  tick() {
    this.#ticks.push(performance.now());
  }

  stop() {
    this.#running = false;
  }

  #frame = () => {
    if (!this.#running) return;
    const now = performance.now();
    this.#draw(now);
    const recent = this.#ticks.filter((time) => now - time < 1000);
    const since = Math.min(1000, now - (this.#ticks[0] ?? now));
    if (since > 300) showSpeed(`≈ ${formatRate(recent.length, since)}`);
    requestAnimationFrame(this.#frame);
  };

  /** @param {number} now */
  #draw(now) {
    const { width, height } = this.#canvas;
    const context = this.#canvas.getContext('2d');
    if (!context) return;
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(this.#canvas).color;
    for (const time of this.#ticks) {
      const x = width * (1 - (now - time) / (pulseSeconds * 1000));
      if (x >= 0) context.fillRect(x, height * 0.2, 2, height * 0.6);
    }
    context.fillRect(0, height - 2, width, 1);
  }
}
