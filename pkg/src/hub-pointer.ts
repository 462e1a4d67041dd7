/**
 * In the worker: the hash of a large file on the hub. The hub sends it as `X-Linked-ETag`, but on a redirect, which a page cannot
 * see; it is also in the text that the repository holds in place of the file (git-lfs's specification, "pointer file").
 */
import { checkStatus, exchange } from './exchange.js';
import type { RemotePart } from './protocol.js';
import type { RemoteContext } from './remote-file.js';

/** A pointer has about 135 bytes. */
const MOST_BYTES = 1024;

/** Undefined if there is no such text, or it is about a file of another size: then the file goes unchecked, like any other. */
export async function hashOnHub({ pointer }: RemotePart, total: number | undefined, { headers, settings, signal }: RemoteContext): Promise<string | undefined> {
  if (pointer === undefined) return undefined;
  try {
    const { response, chunks } = await exchange(pointer, { headers: { ...headers, Range: `bytes=0-${MOST_BYTES - 1}` }, cache: 'no-store' }, settings.stallMs, signal);
    checkStatus(response, pointer);
    let text = '';
    for await (const chunk of chunks) {
      text += new TextDecoder().decode(chunk);
      if (text.length > MOST_BYTES) return undefined; // the file itself
    }
    return hashIn(text, total);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** @returns what a pointer says of a file of `total` bytes */
export function hashIn(text: string, total: number | undefined): string | undefined {
  const match = /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n$/.exec(text);
  return match !== null && (total === undefined || Number(match[2]) === total) ? match[1] : undefined;
}
