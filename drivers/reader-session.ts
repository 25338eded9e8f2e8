import type { ErrorCode } from '../foundation/error-codes.ts';
import { StammkundeError } from '../foundation/errors.ts';

/** One opening of a reader: it ends once, by loss or by the reader being closed; afterwards nothing of it counts. */
export class ReaderSession {
  readonly #controller = new AbortController();
  readonly #stop: AbortSignal;
  readonly #end = Promise.withResolvers<void>();
  readonly #reported = new Set<ErrorCode>();
  #over = false;
  #lostWith: StammkundeError | undefined;

  constructor(stop: AbortSignal) {
    this.#stop = stop;
    stop.addEventListener('abort', this.#onStop, { once: true });
    if (stop.aborted) this.#onStop();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves when it is over. */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  get over(): boolean {
    return this.#over;
  }

  get lostWith(): StammkundeError | undefined {
    return this.#lostWith;
  }

  lose(fault: StammkundeError): void {
    if (this.#over) return;
    this.#lostWith = fault;
    this.end();
  }

  end(): void {
    this.#over = true;
    this.#stop.removeEventListener('abort', this.#onStop);
    this.#end.resolve();
  }

  /** Ends it and tells the driver to give up. */
  cancel(): void {
    this.#controller.abort();
    this.end();
  }

  firstOf(code: ErrorCode): boolean {
    const first = !this.#reported.has(code);
    this.#reported.add(code);
    return first;
  }

  /** A promise that rejects when the driver is told to give up. */
  aborted(): { readonly rejects: Promise<never>; dispose(): void } {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // observed only while it is raced
    const onAbort = (): void => reject(new StammkundeError('DRV_PORT_LOST', 'given up while opening'));
    if (this.signal.aborted) onAbort();
    else this.signal.addEventListener('abort', onAbort, { once: true });
    return { rejects: promise, dispose: () => this.signal.removeEventListener('abort', onAbort) };
  }

  readonly #onStop = (): void => this.cancel();
}
