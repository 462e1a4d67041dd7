// Numbers for people.

/** @param {number} bytes  in decimal units, as download dialogs have them */
export function formatBytes(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(bytes < 100e6 ? 1 : 0)} MB`;
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/** @param {number} count  1234567 -> "1.23 million" */
export function formatCount(count) {
  if (count >= 1e9) return `${Number((count / 1e9).toPrecision(3))} billion`;
  if (count >= 1e6) return `${Number((count / 1e6).toPrecision(3))} million`;
  return count.toLocaleString('en');
}

/** @param {number} tokens @param {number} ms */
export function formatRate(tokens, ms) {
  if (!(tokens > 0) || !(ms > 0)) return '';
  const rate = tokens / (ms / 1000);
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`;
}

/** @param {number} ms */
export function formatSeconds(ms) {
  if (ms >= 5_940_000) return `${Math.round(ms / 3_600_000)} h`;
  if (ms >= 99_500) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** A message of the engine's, which begins in small letters and ends without a stop, among the page's own. @param {string} text */
export const asSentence = (text) => text.replace(/^[a-z](?=[a-z]* )/, (letter) => letter.toUpperCase()).replace(/[\p{L}\p{N})]$/u, '$&.');
