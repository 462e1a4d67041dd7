/** On the page: what an address stands for: a model on the hub, the parts of a split model. */
import { PagelmError } from './errors.js';
import { invalid } from './options.js';

/** Where `hf:` addresses lead, unless `hub.baseUrl` says otherwise. */
export const HUB_URL = 'https://huggingface.co';

/** As many as the engine takes; see `MAX_PARTS` in src/gguf/limits.rs. */
export const MAX_PARTS = 1024;

/** Owners, repositories and revisions: no empty names, none of dots only, nothing that a URL would take for something else. */
const NAME = /^(?!\.+$)[\w.-]+$/;

/** Where a hub has a file. */
export interface HubFile {
  url: string;
  /** Of what the repository itself holds, which for a large file is a text that names its hash. */
  pointer: string;
}

/**
 * The addresses of `hf:owner/repo/path/file.gguf@revision`; revision is `main` by default.
 * @throws {PagelmError} `invalid-argument`
 */
export function hubFile(address: string, baseUrl: string): HubFile {
  const form = "'hf:owner/repo/path/file.gguf' or 'hf:owner/repo/path/file.gguf@revision'";
  const named = address.slice('hf:'.length);
  const at = named.lastIndexOf('@');
  const [path, revision] = at < 0 ? [named, 'main'] : [named.slice(0, at), named.slice(at + 1)];
  const [owner = '', repository = '', ...file] = path.split('/');
  const isPath = file.length > 0 && file.every((name) => name !== '' && !/^\.+$/.test(name));
  // A branch may be called refs/pr/1.
  const isRevision = revision.split('/').every((name) => NAME.test(name));
  if (!NAME.test(owner) || !NAME.test(repository) || !isPath || !isRevision) invalid('source', address, form);
  const root = `${baseUrl.replace(/\/+$/, '')}/${owner}/${repository}`;
  const place = `${encodeURIComponent(revision)}/${file.map(encodeURIComponent).join('/')}`;
  return { url: `${root}/resolve/${place}`, pointer: `${root}/raw/${place}` };
}

/**
 * The addresses of all parts of a split model, from that of the first: `…-00001-of-00003.gguf`. Any other address is
 * that of a whole model, alone.
 * @throws {PagelmError} `invalid-argument` for the address of a later part
 */
export function partAddresses(url: string): string[] {
  const parsed = new URL(url);
  const name = /^(.*-)(\d{5})(-of-)(\d{5})(\.gguf)$/i.exec(parsed.pathname);
  if (name === null) return [url];
  const [, before = '', number = '', of = '', total = '', after = ''] = name;
  const count = Number(total);
  if (Number(number) !== 1) {
    throw new PagelmError('invalid-argument', `${url} is part ${Number(number)} of a model in ${count} parts; give the address of the first, …${before.slice(-20)}00001${of}${total}${after}, or those of all.`);
  }
  if (count < 1 || count > MAX_PARTS) {
    throw new PagelmError('invalid-argument', `${url} names a model in ${count} parts; 1 to ${MAX_PARTS} are possible.`);
  }
  return Array.from({ length: count }, (_, index) => {
    const part = new URL(url);
    part.pathname = `${before}${String(index + 1).padStart(5, '0')}${of}${total}${after}`;
    return part.href;
  });
}
