/** In the worker: the beginnings of a model's files, without the rest. */
import { type OpenFile, openBlob } from './byte-stream.js';
import { PagelmError } from './errors.js';
import { PART_HEAD_BYTES } from './parts.js';
import { DOWNLOAD_DEFAULTS, type DownloadSettings, type RemotePart, type SourceData, isDownload } from './protocol.js';
import { type RemoteContext, RemoteFile } from './remote-file.js';
import { openStored } from './source.js';
import { Store } from './store.js';

/**
 * Where requests end, in bytes: the first is enough for small vocabularies, the second for all that are known (the header of
 * Llama 3.2 has 7.8 MB), the last for the longest header that the engine takes (`gguf::limits::MAX_HEADER_BYTES`).
 */
const ENDS = [1, 8, 16, 32, 64].map((mib) => mib * 1024 * 1024);

/**
 * The files, to be left as soon as their headers are complete; the store's where it has them. Requests are not open-ended,
 * although leaving ends a transfer: at the speed of a network near by, tens of megabytes are then on their way.
 *
 * @throws {PagelmError} `network`, `storage`
 */
export async function openHeads(source: SourceData, signal: AbortSignal, settings: DownloadSettings = DOWNLOAD_DEFAULTS): Promise<OpenFile[]> {
  if (source.kind === 'blobs') return source.blobs.map(openBlob);
  const store = isDownload(source) ? await Store.open(undefined) : undefined;
  const context: RemoteContext = { headers: source.headers ?? {}, settings, signal };
  const opened = await Promise.allSettled(source.parts.map((part, index) => openHead(part, index, store, context)));
  const files = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = opened.find((one) => one.status === 'rejected');
  if (failed === undefined) return files;
  await Promise.all(files.map((file) => file.close()));
  throw failed.reason;
}

async function openHead(part: RemotePart, index: number, store: Store | undefined, context: RemoteContext): Promise<OpenFile> {
  const stored = await store?.find(part);
  if (stored !== undefined) return openStored(stored);
  const remote = await RemoteFile.open(part, index === 0 ? ENDS[0]! : PART_HEAD_BYTES, context);
  const { head, total } = remote;
  if (total === undefined) {
    remote.close();
    throw new PagelmError('network', `The server does not say how long ${part.url} is: it must send Content-Length, without Content-Encoding.`);
  }
  if (head === undefined) return withoutRanges(remote, total);
  let have = head;
  const upTo = async (end: number) => {
    have = await beginning(remote, have, Math.min(end, total), context.signal);
    return have.slice(0, end);
  };
  return {
    bytes: total,
    fromCache: false,
    head: upTo,
    async *pieces() {
      yield head;
      let start = head.byteLength;
      for (const end of ENDS) {
        if (start >= Math.min(end, total)) continue;
        yield (await upTo(end)).subarray(start);
        start = Math.min(end, total);
      }
    },
    async close() {
      remote.close();
    },
  };
}

/** The one answer is read as far as it is needed. */
function withoutRanges(remote: RemoteFile, bytes: number): OpenFile {
  return {
    bytes,
    fromCache: false,
    async head() {
      throw new PagelmError('network', `The server of ${remote.url} has no byte ranges: the header of a later part cannot be had without the whole part.`);
    },
    pieces: () => remote.whole(false),
    async close() {
      remote.close();
    },
  };
}

/** `head`, and what lacks in it up to `end`. */
async function beginning(remote: RemoteFile, head: Uint8Array, end: number, signal: AbortSignal): Promise<Uint8Array> {
  if (end <= head.byteLength) return head;
  const bytes = new Uint8Array(end);
  bytes.set(head);
  await remote.range(head.byteLength, end, (chunk, at) => bytes.set(chunk, at), signal);
  return bytes;
}
