// What the engine does, under the composer: backend, speed, context, and the pulse of the stream.
import { fillFacts, element } from './page.js';
import { formatBytes, formatCount, formatRate, formatSeconds } from './format.js';

/** @typedef {import('./pagelm.js').ModelInfo} ModelInfo */
/** @typedef {import('./pagelm.js').Finish} Finish */

const backendNames = { webgpu: 'WebGPU', cpu: 'CPU' };
const bars = 40;
const barMs = 100;

/**
 * @param {ModelInfo} info
 * @param {string} name  that the model was chosen by; what the file calls itself is among the facts
 * @param {{ fromCache: boolean, loadMs: number } | undefined} ready
 */
export function showInfo(info, name, ready) {
  element('backend', HTMLElement).textContent = `${backendNames[info.backend]} · ${name}`;
  element('reason', HTMLElement).textContent = info.backendReason;
  /** @type {[string, string][]} */
  const rows = [
    ['Model', info.name],
    ['Architecture', info.architecture],
    ['Weights', `${formatCount(info.parameters)}, ${info.quantisation}, ${formatBytes(info.bytes)}`],
    ['Vocabulary', `${info.vocabularySize.toLocaleString('en')} tokens`],
    ['Context', `${info.contextLength.toLocaleString('en')} tokens`],
    ['Runs on', `${backendNames[info.backend]}: ${info.device}`],
    ['Kernels', info.kernels],
    ['CPU threads', info.threadsReason],
  ];
  if (ready) rows.push(['Loaded', `in ${formatSeconds(ready.loadMs)}${ready.fromCache ? ', from the copy on this device' : ''}`]);
  fillFacts(element('facts', HTMLElement), rows);
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

/** The last seconds of a stream as bars, each as high as the pieces of text that came in its tenth of a second. */
export class Pulse {
  #canvas = element('pulse', HTMLCanvasElement);
  /** @type {number[]} times of the pieces, in ms */
  #times = [];
  #running = false;

  start() {
    this.#times = [];
    this.#running = true;
    this.#frame();
  }

  tick() {
    this.#times.push(performance.now());
  }

  stop() {
    this.#running = false;
  }

  /** As before the first answer: what was measured was of another. */
  clear() {
    const { width, height } = this.#canvas;
    this.#canvas.getContext('2d')?.clearRect(0, 0, width, height);
  }

  #frame = () => {
    if (!this.#running) return;
    const now = performance.now();
    const first = this.#times[0] ?? now;
    this.#times = this.#times.filter((time) => now - time < bars * barMs);
    this.#draw(now);
    const span = Math.min(1000, now - first);
    const pieces = this.#times.filter((time) => now - time < span).length;
    if (span > 300) showSpeed(`≈ ${formatRate(pieces, span)}`);
    requestAnimationFrame(this.#frame);
  };

  /** @param {number} now */
  #draw(now) {
    const { width, height } = this.#canvas;
    const context = this.#canvas.getContext('2d');
    if (!context) return;
    const counts = new Array(bars).fill(0);
    // bars end at whole tenths of a second, or they would flicker as pieces cross from one to the next
    const newest = Math.floor(now / barMs);
    for (const time of this.#times) counts[bars - 1 - (newest - Math.floor(time / barMs))] += 1;
    const most = Math.max(4, ...counts);
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(this.#canvas).color;
    counts.forEach((count, index) => {
      const barHeight = Math.max(1, (count / most) * height);
      context.fillRect((index * width) / bars, height - barHeight, width / bars - 2, barHeight);
    });
  }
}
