import { EventEmitter } from 'node:events';
import type { HidBinding, HidHandle, ListedHid } from '../../../drivers/transport/hid-binding.ts';
import { Inbox } from '../inbox.ts';

/** A handle with the manners of node-hid's: errors are text, and nothing says that it closed. */
export class HandleInMemory extends EventEmitter implements HidHandle {
  readonly sent: string[] = [];
  closed = 0;
  /** node-hid begins to read a tick after somebody listens, and throws into nowhere when it is closed by then. */
  readAfterClose = false;
  /** What sending throws, as node-hid does. */
  refusal: Error | undefined;
  /** What closing waits for. */
  closing: Promise<void> = Promise.resolve();

  constructor() {
    super();
    this.on('newListener', (event) => {
      if (event === 'data') process.nextTick(() => (this.readAfterClose = this.closed > 0));
    });
  }

  async write(report: Buffer): Promise<number> {
    return this.#take('output', report);
  }

  async sendFeatureReport(report: Buffer): Promise<number> {
    return this.#take('feature', report);
  }

  async close(): Promise<void> {
    this.closed += 1;
    await this.closing;
  }

  async #take(kind: string, report: Buffer): Promise<number> {
    if (this.refusal !== undefined) throw this.refusal;
    this.sent.push(`${kind} ${report.toString('hex')}`);
    return report.length;
  }
}

/** node-hid without a device: what is attached and what happens on opening is the test's to say. */
export class BindingInMemory implements HidBinding {
  attached: ListedHid[] = [];
  readonly handles: HandleInMemory[] = [];
  readonly opened: string[] = [];
  /** What the next openings throw; then they succeed. */
  readonly refusals: string[] = [];
  /** What opening waits for. */
  opening: Promise<void> = Promise.resolve();
  /** Called when an opening has been let through. */
  onOpened: () => void = () => {};
  readonly #asked = new Inbox<string>();

  /** Resolves when it has been asked to open once more. */
  async asked(): Promise<void> {
    await this.#asked.next();
  }

  /** What listing waits for. */
  listing: Promise<void> = Promise.resolve();

  async list(): Promise<readonly ListedHid[]> {
    await this.listing;
    return this.attached;
  }

  async open(path: string): Promise<HidHandle> {
    this.opened.push(path);
    this.#asked.put(path);
    await this.opening;
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw new Error(refusal);
    const handle = new HandleInMemory();
    this.handles.push(handle);
    this.onOpened();
    return handle;
  }
}
