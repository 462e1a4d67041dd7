// The page's half and the worker's half of the package, joined by a message channel instead of a worker.
import { Session } from '../build/session.js';

export class Port extends EventTarget {
  #channel = new MessageChannel();
  terminated = false;
  sent = [];
  constructor(loadModel, grammars) {
    super();
    const { port1: page, port2: worker } = this.#channel;
    const session = new Session((message, transfer = []) => worker.postMessage(message, transfer), { loadModel, grammars });
    worker.onmessage = ({ data }) => { if (!this.terminated) session.receive(data); };
    page.onmessage = ({ data }) => this.dispatchEvent(new MessageEvent('message', { data }));
    this.page = page;
  }
  postMessage(message) {
    this.sent.push(message.type);
    this.page.postMessage(message);
  }
  terminate() {
    this.terminated = true;
    this.page.close();
  }
}
