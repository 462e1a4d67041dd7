// Chromium, for the scripts and the tests: which program, and how it is started.
//   node scripts/browser.mjs     prints the program; fails when there is none
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'microsoft-edge'];
const elsewhere = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The Chromium of this machine: $CHROMIUM, or the first one found. */
export function findChromium() {
  const asked = process.env.CHROMIUM;
  if (asked) {
    if (isProgram(asked)) return asked;
    throw new Error(`CHROMIUM is "${asked}", which is not a program; set it to the path of one`);
  }
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = [...names.flatMap((name) => folders.map((folder) => join(folder, name))), ...elsewhere].find(isProgram);
  if (!found) throw new Error('no Chromium was found; run "make setup", or set CHROMIUM to the path of one');
  return found;
}

/**
 * Starts it without a window. Further flags: CHROMIUM_FLAGS, split at spaces.
 *
 * @param {{ webgpu?: boolean, args?: string[] }} [options]  webgpu: offer it even where the only adapter is software
 */
export function launchChromium({ webgpu = true, args = [] } = {}) {
  return chromium.launch({
    executablePath: findChromium(),
    args: [
      // the sandbox cannot start as root, which is what containers run as
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      ...(webgpu ? ['--enable-unsafe-webgpu'] : []),
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-quic',
      ...args,
      ...(process.env.CHROMIUM_FLAGS ?? '').split(' ').filter(Boolean),
    ],
  });
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(findChromium());
  } catch (error) {
    console.error(`error: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
  }
}
