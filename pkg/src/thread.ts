/** In the worker: what it does when it is another thread of an engine. */
import type { HelpMessage, SharedEngine, ThreadMessage } from './protocol.js';
import init, * as wasm from './wasm/pagelm_threads.js';

/** Waits for work inside WebAssembly and never looks at a message again; ends when the page terminates it. */
export async function serveAsThread({ port }: HelpMessage, answer: (message: ThreadMessage) => void): Promise<void> {
  try {
    const { module, memory } = await new Promise<SharedEngine>((resolve, reject) => {
      port.onmessage = ({ data }) => resolve(data as SharedEngine);
      port.onmessageerror = () => reject(new Error('the memory cannot be shared'));
    });
    port.close();
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
