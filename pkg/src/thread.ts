/** In the worker: what it does when it is another thread of an engine. */
import type { HelpMessage, ThreadMessage } from './protocol.js';
import init, * as wasm from './wasm/pagelm_threads.js';

/** Waits for work inside WebAssembly and never looks at a message again; ends when the page terminates it. */
export async function serveAsThread({ module, memory }: HelpMessage, answer: (message: ThreadMessage) => void): Promise<void> {
  try {
    await init({ module_or_path: module, memory });
  } catch (error) {
    return answer({ type: 'failed', message: String(error) });
  }
  answer({ type: 'ready' });
  try {
    wasm.help();
  } catch (error) {
    wasm.helpFailed();
    answer({ type: 'failed', message: String(error) });
  }
}
