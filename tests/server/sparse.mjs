// Answers requests for files that exist nowhere: zeros, with some bytes in places. They may be larger than the disk.
import { Readable } from 'node:stream';
import { bytesOf } from '../browser/reshape.js';

const CHUNK_BYTES = 256 * 1024;

/**
 * @typedef {import('../browser/reshape.js').Sparse & { etag?: string | null, lastModified?: string | null }} SparseFile
 */

/**
 * @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response @param {SparseFile} file
 */
export function sendSparse(request, response, file) {
  const { size, etag = `"${size}"`, lastModified = null } = file;
  const [start, end, status] = rangeOf(request.headers.range, size);
  response.statusCode = status;
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Content-Type', 'application/octet-stream');
  if (etag !== null) response.setHeader('ETag', etag);
  if (lastModified !== null) response.setHeader('Last-Modified', lastModified);
  if (status === 416) {
    response.setHeader('Content-Range', `bytes */${size}`);
    return void response.end();
  }
  if (status === 206) response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${size}`);
  response.setHeader('Content-Length', end - start);
  if (request.method === 'HEAD') return void response.end();
  Readable.from(chunks(file, start, end), { objectMode: false }).pipe(response);
}

/** @param {string | undefined} header @param {number} size @returns {[number, number, number]} */
function rangeOf(header, size) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (match === null) return [0, size, 200];
  const [start, end] = [Number(match[1]), match[2] === '' ? size : Math.min(Number(match[2]) + 1, size)];
  return start < end ? [start, end, 206] : [0, 0, 416];
}

/** @param {SparseFile} file @param {number} start @param {number} end */
function* chunks(file, start, end) {
  const empty = Buffer.alloc(CHUNK_BYTES);
  for (let at = start; at < end; at += CHUNK_BYTES) {
    const to = Math.min(at + CHUNK_BYTES, end);
    const isEmpty = file.extents.every((extent) => extent.at >= to || extent.at + extent.bytes.length <= at);
    yield isEmpty ? empty.subarray(0, to - at) : Buffer.from(bytesOf(file, at, to));
  }
}
