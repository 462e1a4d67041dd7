/** On the page: a `ModelSource` checked and turned into what can be posted to the worker. */
import { PagelmError } from './errors.js';
import { checkText, invalid, record, unsupported } from './options.js';
import { type LoadSettings, type SourceData, isDownload } from './protocol.js';
import type { UrlSource } from './types.js';

const SOURCE_KEYS = { url: true, sha256: true, headers: true } satisfies Record<keyof UrlSource, true>;

/**
 * @param base what a relative address is relative to; undefined outside of a page
 * @throws {PagelmError} `invalid-argument`, `unsupported-option`
 */
export function describeSource(source: unknown, cache: LoadSettings['cache'], base: string | undefined): SourceData {
  const data = toData(source, base);
  if (cache === 'opfs' && !isDownload(data)) {
    unsupported('cache', cache, 'the source is on this device already; leave cache out, or give an http(s) address');
  }
  return data;
}

function toData(source: unknown, base: string | undefined): SourceData {
  if (typeof source === 'string' || source instanceof URL) return { kind: 'url', url: absolute('source', source, base) };
  if (source instanceof Blob) return { kind: 'blob', blob: source };
  if (Array.isArray(source)) {
    const part: unknown = onlyPart('source', source);
    return part instanceof Blob ? { kind: 'blob', blob: part } : invalid('source[0]', part, 'a Blob');
  }
  if (typeof source !== 'object' || source === null) invalid('source', source, 'a string, URL, Blob or { url, sha256?, headers? }');
  return urlData(record('source', source, SOURCE_KEYS), base);
}

function urlData(given: Record<string, unknown>, base: string | undefined): SourceData {
  const { url, sha256, headers } = given;
  const address = absolute('source.url', Array.isArray(url) ? onlyPart('source.url', url) : url, base);
  const data: SourceData = { kind: 'url', url: address };
  if (sha256 !== undefined) data.sha256 = checkSha256(sha256);
  if (headers !== undefined) data.headers = checkHeaders(headers);
  return data;
}

function onlyPart(key: string, parts: readonly unknown[]): unknown {
  if (parts.length === 0) invalid(key, parts, 'not empty');
  if (parts.length > 1) unsupported(key, parts, 'this version reads models of one part; merge them, e.g. with llama-gguf-split --merge');
  return parts[0];
}

function absolute(key: string, value: unknown, base: string | undefined): string {
  const address = value instanceof URL ? value.href : checkText(key, value);
  if (/^hf:/i.test(address)) unsupported(key, address, 'hf: addresses are not known to this version; give the https: address of the file');
  try {
    return new URL(address, base).href;
  } catch (cause) {
    throw new PagelmError('invalid-argument', `${key} is ${JSON.stringify(address)}, which is no URL${base === undefined ? ' (a relative one needs a page)' : ''}.`, { cause });
  }
}

function checkSha256(value: unknown): string {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/i.test(value)) invalid('source.sha256', value, '64 hexadecimal digits');
  return value.toLowerCase();
}

function checkHeaders(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Symbol.iterator in value) invalid('source.headers', value, 'an object from name to value');
  const headers = value as Record<string, unknown>;
  for (const [name, content] of Object.entries(headers)) checkText(`source.headers[${JSON.stringify(name)}]`, content);
  try {
    new Headers(headers as Record<string, string>);
  } catch (cause) {
    throw new PagelmError('invalid-argument', `source.headers: ${String(cause)}`, { cause });
  }
  return { ...(headers as Record<string, string>) };
}
