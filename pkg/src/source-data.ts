/** On the page: a `ModelSource` checked and turned into what can be posted to the worker. */
import { HUB_URL, type HubFile, MAX_PARTS, hubFile, partAddresses } from './address.js';
import { PagelmError } from './errors.js';
import { type CheckedHub, checkText, invalid, record, unsupported } from './options.js';
import { type LoadSettings, type RemotePart, type SourceData, isDownload } from './protocol.js';
import type { UrlSource } from './types.js';

const SOURCE_KEYS = { url: true, sha256: true, headers: true } satisfies Record<keyof UrlSource, true>;

/**
 * @param base what a relative address is relative to; undefined outside of a page
 * @param hub where `hf:` addresses lead, and what opens them
 * @throws {PagelmError} `invalid-argument`, `unsupported-option`
 */
export function describeSource(source: unknown, cache: LoadSettings['cache'], base: string | undefined, hub: CheckedHub = {}): SourceData {
  const data = toData(source, base, hub);
  if (cache === 'opfs' && !isDownload(data)) {
    unsupported('cache', cache, 'the source is on this device already; leave cache out, or give an http(s) address');
  }
  return data;
}

function toData(source: unknown, base: string | undefined, hub: CheckedHub): SourceData {
  if (typeof source === 'string' || source instanceof URL) return urlData({ url: source }, 'source', base, hub);
  if (source instanceof Blob) return { kind: 'blobs', blobs: [source] };
  if (Array.isArray(source)) {
    return { kind: 'blobs', blobs: checkParts('source', source).map((part, index) => (part instanceof Blob ? part : invalid(`source[${index}]`, part, 'a Blob'))) };
  }
  if (typeof source !== 'object' || source === null) invalid('source', source, 'a string, URL, Blob, array of Blobs or { url, sha256?, headers? }');
  return urlData(record('source', source, SOURCE_KEYS), 'source.url', base, hub);
}

function urlData(given: Record<string, unknown>, key: string, base: string | undefined, hub: CheckedHub): SourceData {
  const { url, sha256, headers } = given;
  const isList = Array.isArray(url);
  const addresses = isList ? checkParts(key, url).map((one, index) => absolute(`${key}[${index}]`, one, base, hub)) : [absolute(key, url, base, hub)];
  const first = addresses[0] as Address;
  // Of a list every address is given; of a single one the others follow from its name.
  const urls = isList ? addresses.map((one) => one.url) : partAddresses(first.url);
  const pointers = isList ? addresses.map((one) => one.pointer) : first.pointer === undefined ? [] : partAddresses(first.pointer);
  const hashes = checkHashes(sha256, urls.length);
  checkDistinct(key, urls);
  if (hashes !== undefined) checkDistinct('source.sha256', hashes);
  const parts = urls.map((one, index): RemotePart => {
    const [hash, pointer] = [hashes?.[index], pointers[index]];
    return { url: one, ...(hash !== undefined && { sha256: hash }), ...(pointer !== undefined && { pointer }) };
  });
  const all = { ...(first.pointer !== undefined && hub.token !== undefined && { Authorization: `Bearer ${hub.token}` }), ...(headers !== undefined && checkHeaders(headers)) };
  return { kind: 'urls', parts, ...(Object.keys(all).length > 0 && { headers: all }) };
}

function checkParts(key: string, parts: readonly unknown[]): unknown[] {
  if (parts.length === 0) invalid(key, parts, 'not empty');
  if (parts.length > MAX_PARTS) invalid(key, parts, `an array of at most ${MAX_PARTS} parts`);
  return Array.from(parts);
}

/** The same part twice would wait for itself. */
function checkDistinct(key: string, values: readonly string[]): void {
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) throw new PagelmError('invalid-argument', `${key} has ${twice} twice; each part of a model is given once.`);
}

/** With `pointer`, one on the hub. */
type Address = Pick<HubFile, 'url'> & Partial<HubFile>;

function absolute(key: string, value: unknown, base: string | undefined, hub: CheckedHub): Address {
  const address = value instanceof URL ? value.href : checkText(key, value);
  if (/^hf:/i.test(address)) return hubFile(address, hub.baseUrl ?? HUB_URL);
  try {
    return { url: new URL(address, base).href };
  } catch (cause) {
    throw new PagelmError('invalid-argument', `${key} is ${JSON.stringify(address)}, which is no URL${base === undefined ? ' (a relative one needs a page)' : ''}.`, { cause });
  }
}

/** One hash for each part, if any were given. */
function checkHashes(value: unknown, parts: number): string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) {
    return parts === 1 ? [checkSha256('source.sha256', value)] : invalid('source.sha256', value, `an array of ${parts} hashes, one for each part of the model`);
  }
  if (value.length !== parts) invalid('source.sha256', value, `an array of ${parts} hashes, one for each part of the model`);
  return value.map((one, index) => checkSha256(`source.sha256[${index}]`, one));
}

function checkSha256(key: string, value: unknown): string {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/i.test(value)) invalid(key, value, '64 hexadecimal digits');
  return value.toLowerCase();
}

function checkHeaders(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Symbol.iterator in value) invalid('source.headers', value, 'an object from name to value');
  const headers = value as Record<string, unknown>;
  for (const [name, content] of Object.entries(headers)) {
    checkText(`source.headers[${JSON.stringify(name)}]`, content);
    if (/^(range|if-range)$/i.test(name)) unsupported(`source.headers[${JSON.stringify(name)}]`, content, 'pagelm sends ranges of its own');
  }
  try {
    new Headers(headers as Record<string, string>);
  } catch (cause) {
    throw new PagelmError('invalid-argument', `source.headers: ${String(cause)}`, { cause });
  }
  return { ...(headers as Record<string, string>) };
}
