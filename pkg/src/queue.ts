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

/**
 * Resolves in a task of its own, so that messages which have arrived are handled first. A promise alone would not
 * let them in, and `setTimeout` waits 4 ms. A channel for each call costs some microseconds and leaves none open.
 */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
