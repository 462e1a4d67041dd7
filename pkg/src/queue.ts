/** Runs jobs one after another, in the order in which they came. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(job: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(job);
    // A failed job fails for its caller only.
    this.#last = result.then(ignore, ignore);
    return result;
  }
}

function ignore(): void {}

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();
// In Node, where the tests run, an open port would keep the process alive.
(channel.port1 as { unref?: () => void }).unref?.();

/**
 * Resolves in a task of its own, so that messages which have arrived are handled first. A promise alone would not
 * let them in, and `setTimeout` waits 4 ms.
 */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
