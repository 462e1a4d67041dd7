// Lines over a logarithmic axis of token counts, as SVG. The table beside them has the same numbers for who cannot see them.

/** @typedef {{ name: string, points: import('./measure.js').Point[] }} Series */

const size = { width: 420, height: 240, left: 44, right: 12, top: 10, bottom: 26 };
const dashes = ['', '6 4', '2 3', '10 4 2 4'];
const svgNamespace = 'http://www.w3.org/2000/svg';

/** @param {string} title @param {Series[]} series @returns {HTMLElement} */
export function chart(title, series) {
  const figure = document.createElement('figure');
  const caption = document.createElement('figcaption');
  figure.className = 'chart';
  caption.textContent = title;
  figure.append(caption, drawing(title, series), legend(series));
  return figure;
}

/** @param {string} title @param {Series[]} series */
function drawing(title, series) {
  const lengths = [...new Set(series.flatMap(({ points }) => points.map(({ tokens }) => tokens)))].sort((a, b) => a - b);
  const top = niceCeiling(Math.max(1, ...series.flatMap(({ points }) => points.map(({ rate }) => rate))));
  const inner = { width: size.width - size.left - size.right, height: size.height - size.top - size.bottom };
  const [first, last] = [Math.log(lengths[0]), Math.log(lengths[lengths.length - 1])];
  const x = (/** @type {number} */ tokens) => size.left + (last > first ? (Math.log(tokens) - first) / (last - first) : 0.5) * inner.width;
  const y = (/** @type {number} */ rate) => size.top + (1 - rate / top) * inner.height;

  const svg = shape('svg', { viewBox: `0 0 ${size.width} ${size.height}`, role: 'img', 'aria-label': `${title}: ${series.length} lines; the table has the numbers` });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const at = y(top * share);
    svg.append(shape('line', { class: 'grid', x1: size.left, x2: size.width - size.right, y1: at, y2: at }));
    svg.append(label(String(Number((top * share).toPrecision(3))), { x: size.left - 6, y: at + 4, 'text-anchor': 'end' }));
  }
  for (const tokens of lengths) svg.append(label(tokens.toLocaleString('en'), { x: x(tokens), y: size.height - 6, 'text-anchor': 'middle' }));
  series.forEach(({ points }, index) => {
    const group = shape('g', { class: `series-${index % 6}` });
    group.append(shape('polyline', { class: 'line', 'stroke-dasharray': dashOf(index), points: points.map(({ tokens, rate }) => `${x(tokens)},${y(rate)}`).join(' ') }));
    for (const { tokens, rate } of points) group.append(shape('circle', { class: 'dot', cx: x(tokens), cy: y(rate), r: 3.5 }));
    svg.append(group);
  });
  return svg;
}

/** @param {Series[]} series */
function legend(series) {
  const list = document.createElement('ul');
  list.append(...series.map(({ name }, index) => {
    const item = document.createElement('li');
    const key = shape('svg', { viewBox: '0 0 28 12', 'aria-hidden': 'true', class: `series-${index % 6}` });
    key.append(shape('line', { x1: 0, x2: 28, y1: 6, y2: 6, stroke: 'currentColor', 'stroke-width': 2, 'stroke-dasharray': dashOf(index) }));
    item.append(key, name);
    return item;
  }));
  return list;
}

/** Colours alone do not tell lines apart for everybody. @param {number} index */
const dashOf = (index) => dashes[index % dashes.length];

/** The next number whose quarters are round.  @param {number} value */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return (/** @type {number} */ ([1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10].find((step) => step * power >= value))) * power;
}

/** @param {string} name @param {Record<string, string | number>} attributes */
function shape(name, attributes) {
  const made = document.createElementNS(svgNamespace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

/** @param {string} text @param {Record<string, string | number>} attributes */
function label(text, attributes) {
  const made = shape('text', attributes);
  made.textContent = text;
  return made;
}
