// Next.js with the app router: the package is imported by a client component, which the server renders first.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { copyModel, installIn, out, script, write } from './app.mjs';

const program = createRequire(import.meta.url).resolve('next/dist/bin/next');
const root = join(out, 'next');

const files = {
  'package.json': JSON.stringify({ name: 'next-app', private: true, type: 'module' }),
  // the apps' folder is no project of Next.js: say where to look for modules
  'next.config.mjs': `export default { turbopack: { root: ${JSON.stringify(join(out, '..'))} } };\n`,
  'app/layout.js': 'export default function Layout({ children }) { return <html lang="en"><body>{children}</body></html>; }\n',
  'app/page.js': "import Chat from './chat.js';\n\nexport default function Page() { return <main><Chat /></main>; }\n",
  'app/chat.js': `'use client';\nimport { useEffect } from 'react';\nimport { load, PagelmError } from 'pagelm';\n\n${client()}`,
};

/** A component whose effect runs the app. The server renders what only importing the package can tell. */
function client() {
  const body = script('pagelm', '/model.gguf').replace(/^import.*\n\n/, '').replace(/^(.*\n.*\n)(globalThis\.done = .*\n)/, '$1');
  const start = "globalThis.done = answer().catch((error) => ({ error: error.code + ': ' + error.message })).then((value) => ({ ...value, violations }));";
  return `${body.replace(/^addEventListener.*\n/m, '')}
export default function Chat() {
  useEffect(() => { ${start} }, []);
  return <p id="rendered">{typeof load} {new PagelmError('closed', '').code}</p>;
}
`;
}

/** @returns {Promise<import('./rows.mjs').Built>} */
export async function buildNext() {
  for (const [path, text] of Object.entries(files)) write(`next/${path}`, text);
  installIn('next');
  copyModel('next/public/model.gguf');
  await run('build');
  const { url, close } = await start();
  const html = await (await fetch(url)).text();
  // React separates neighbouring texts with comments
  if (!html.replaceAll('<!-- -->', '').includes('function closed')) throw new Error(`the server did not render the component: ${html.slice(0, 500)}`);
  return { url, close, folder: join(root, '.next/static') };
}

const environment = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };

/** @param {string} command */
function run(command) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, command], { cwd: root, env: environment });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { text += data; });
    child.on('exit', (code) => (code === 0 ? resolve(undefined) : reject(new Error(`next ${command} ended with ${code}:\n${text}`))));
  });
}

/** The server of the build, once it says its address. @returns {Promise<{ url: string, close: () => Promise<void> }>} */
function start() {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, 'start', '--port', '0', '--hostname', 'localhost'], { cwd: root, env: environment });
    const ended = new Promise((done) => { child.on('exit', done); });
    const close = async () => { child.kill(); await ended; };
    let text = '';
    child.stdout.on('data', (data) => {
      text += data;
      const [url] = /http:\/\/localhost:\d+/.exec(text) ?? [];
      if (url !== undefined && text.includes('Ready')) resolve({ url: `${url}/`, close });
    });
    ended.then((code) => reject(new Error(`next start ended with ${code}:\n${text}`)));
  });
}
