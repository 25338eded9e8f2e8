import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { SystemClock, sleep } from '../../../foundation/clock.ts';

const clock = new SystemClock();
const LOOK_EVERY_MS = 2;
const WRITTEN_WITHIN_MS = 5000;

/**
 * A device node that is read and written without blocking: a read that waits in the kernel would hold one of Node's
 * few threads, and the process could not end.
 */
export class PolledFile {
  readonly #fd: number;
  readonly #buffer: Buffer;
  readonly #onBytes: (bytes: Buffer) => void;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param onBytes called with what one read gives; the bytes are the receiver's to keep */
  constructor(
    path: string,
    onBytes: (bytes: Buffer) => void,
    options: { readonly chunkBytes?: number } = {},
  ) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY);
    this.#buffer = Buffer.alloc(options.chunkBytes ?? 65_536);
    this.#onBytes = onBytes;
    this.#timer = setInterval(() => this.#read(), LOOK_EVERY_MS);
  }

  /** Writes all of it, waiting where the kernel takes no more just now. */
  async write(bytes: Uint8Array): Promise<void> {
    const untilMs = clock.monotonicMs() + WRITTEN_WITHIN_MS;
    let from = 0;
    while (from < bytes.length) {
      try {
        from += writeSync(this.#fd, bytes, from);
      } catch (error) {
        if (!isAgain(error) || clock.monotonicMs() > untilMs) throw error;
        await sleep(clock, LOOK_EVERY_MS);
      }
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    closeSync(this.#fd);
  }

  #read(): void {
    while (!this.#closed) {
      let length: number;
      try {
        length = readSync(this.#fd, this.#buffer);
      } catch {
        return; // nothing there, or the far end is gone: seen when it is written to
      }
      if (length === 0) return;
      this.#onBytes(Buffer.from(this.#buffer.subarray(0, length)));
    }
  }
}

function isAgain(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
