// What needs no browser: the catalogue's addresses, each of which says of a file what its row says (catalogue.test.mjs looks into the
// files); and what to do about errors.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../../tests/server/serve.mjs';
import { advise } from '../advice.js';
import { asSentence } from '../format.js';

/** @type {{ ERROR_CODES: readonly string[] }} */
const { ERROR_CODES } = await import(new URL('../../pkg/build/errors.js', import.meta.url).href);

/** @type {import('../library.js').Family[]} */
const families = JSON.parse(readFileSync(join(projectRoot, 'www/models.json'), 'utf8'));
const files = families.flatMap((family) => family.files);

/** Bytes for each of the weights that a model's name counts, with the embeddings of small ones, which are wider. */
const bytesAWeight = { I2_S: [0.25, 0.6], Q4_K_M: [0.5, 1], Q8_0: [1, 1.4] };

/** What is wrong with a row. @param {import('../library.js').CatalogueFile} file */
function faultsOf({ name, quantisation, bytes, source }) {
  const faults = [];
  const [, repository, file] = /^hf:([\w.-]+\/[\w.-]+)\/([\w.-]+\.gguf)$/.exec(source) ?? [];
  if (!repository) faults.push('it is no hf: address of a .gguf file');
  if (!file?.toUpperCase().includes(quantisation)) faults.push(`the file is not called ${quantisation}`);
  const [, count, unit] = /([\d.]+)(B|M)\b/.exec(name) ?? [];
  const ratio = bytes / (Number(count) * (unit === 'B' ? 1e9 : 1e6));
  const [least, most] = bytesAWeight[/** @type {keyof typeof bytesAWeight} */ (quantisation)] ?? [0, 0];
  if (!(ratio >= least && ratio <= most)) faults.push(`${bytes} bytes are ${ratio.toFixed(2)} a weight`);
  return faults;
}

test('each file of the catalogue has an address and a size that go with its name', () => {
  assert.ok(files.length >= 15, `${files.length} files`);
  for (const file of files) assert.deepEqual(faultsOf(file), [], file.source);
  assert.equal(new Set(files.map(({ source }) => source)).size, files.length, 'one is there twice');
  for (const { name, by, licence, about } of families) assert.ok(name && by && licence && about, `${name} says who made it, and under which licence`);
});

test('the catalogue has what it is meant to have', () => {
  const names = new Set(files.map(({ name }) => name));
  for (const name of ['Qwen3 0.6B', 'Qwen3 1.7B', 'Qwen3 4B', 'Gemma 3 270M', 'Gemma 3 1B', 'Gemma 3 4B', 'Phi-4-mini 3.8B', 'Llama 3.2 1B', 'Llama 3.2 3B', 'SmolLM2 135M', 'SmolLM2 360M', 'SmolLM2 1.7B', 'SmolLM3 3B', 'BitNet b1.58 2B']) {
    assert.ok(names.delete(name), name);
  }
  assert.deepEqual([...names], [], 'whatever is added is added here, too');
});

test('wrong rows are noticed', () => {
  const [row] = files;
  for (const change of [{ source: 'hf:owner/file.gguf' }, { source: row.source.replace('.gguf', '') }, { quantisation: 'Q8_0' }, { bytes: row.bytes * 10 }]) {
    assert.notDeepEqual(faultsOf({ ...row, ...change }), [], JSON.stringify(change));
  }
});

test('whatever goes wrong, the page says what to do', () => {
  // what a person has stopped needs no advice
  for (const code of ERROR_CODES) assert.ok(code === 'aborted' || advise(code).length > 10, code);
});

test('what the engine says reads as a sentence of the page', () => {
  assert.equal(asSentence('the model needs 5382 MB'), 'The model needs 5382 MB.');
  for (const kept of ['It is no JSON file.', 'http://example.org/m.gguf answered with 404.', 'm.gguf is too large (5 GB).', 'Why?']) assert.equal(asSentence(kept), kept);
});
