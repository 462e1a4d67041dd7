// Results of the benchmark with the machine that they are from, as a file and back.

/** @typedef {import('./measure.js').Run} Run */
/** @typedef {{ browser: string, system: string, cores: number, memory: string, adapter: string, isolated: boolean }} Machine */
/** @typedef {{ machine: Machine, date: string, runs: Run[] }} Report */

const format = 'pagelm-benchmark';
const largestFile = 10e6; // bytes
const mostRuns = 1000;

/** @returns {Promise<Machine>} */
export async function thisMachine() {
  const { userAgent, hardwareConcurrency } = navigator;
  const gib = /** @type {{ deviceMemory?: number }} */ (navigator).deviceMemory;
  return {
    browser: /(?:Edg|OPR|Firefox|Chrome|Version)\/[\d.]+/.exec(userAgent)?.[0].replace('/', ' ').replace('Version', 'Safari') ?? userAgent.slice(0, 100),
    system: /\(([^)]+)\)/.exec(userAgent)?.[1] ?? '',
    cores: hardwareConcurrency,
    memory: gib === undefined ? 'not said' : gib >= 8 ? '8 GiB or more' : `${gib} GiB`,
    adapter: await adapterName(),
    isolated: crossOriginIsolated,
  };
}

async function adapterName() {
  try {
    const adapter = await /** @type {any} */ (navigator).gpu?.requestAdapter();
    if (!adapter) return 'none';
    const { vendor, architecture, device, description } = adapter.info;
    return [vendor, architecture, device, description].filter(Boolean).join(' ') || 'not said';
  } catch {
    return 'none';
  }
}

/** @param {Report} report */
export function toFile(report) {
  return new File([JSON.stringify({ format, version: 1, ...report }, undefined, 2)], `pagelm-benchmark-${report.date.slice(0, 10)}.json`, { type: 'application/json' });
}

/** @param {Blob} file @returns {Promise<Report>} @throws {Error} with the reason */
export async function fromFile(file) {
  if (file.size > largestFile) throw new Error(`It is ${file.size} bytes long; at most ${largestFile} are read.`);
  /** @type {any} */
  let data;
  try {
    data = JSON.parse(await file.text());
  } catch (cause) {
    throw new Error('It is no JSON file.', { cause });
  }
  if (data?.format !== format || data.version !== 1) throw new Error(`"format" is ${JSON.stringify(data?.format)?.slice(0, 40)}, not "${format}" of version 1.`);
  if (!Array.isArray(data.runs) || data.runs.length > mostRuns || !data.runs.every(isRun)) throw new Error('Its "runs" are no results of this page.');
  const { browser, system, cores, memory, adapter, isolated } = data.machine ?? {};
  const machine = { browser: text(browser), system: text(system), cores: Number(cores) || 0, memory: text(memory), adapter: text(adapter), isolated: isolated === true };
  return { machine, date: text(data.date), runs: data.runs };
}

/** @param {unknown} value */
const text = (value) => (typeof value === 'string' ? value.slice(0, 200) : '');

/** @param {any} run */
const isRun = (run) => ['backend', 'device', 'model'].every((key) => typeof run?.[key] === 'string' && run[key].length <= 200)
  && Number.isInteger(run.threads) && isStart(run.start) && [run.prefill, run.decode].every(isPoints);

/** @param {any} start */
const isStart = (start) => typeof start?.stored === 'boolean' && ['openMs', 'compileMs', 'readMs', 'uploadMs', 'promptMs'].every((key) => Number.isFinite(start[key]));

/** @param {any} points */
const isPoints = (points) => Array.isArray(points) && points.length <= 20
  && points.every((point) => Number.isInteger(point?.tokens) && point.tokens > 0 && Number.isFinite(point.rate) && point.rate >= 0);
