import { once } from 'node:events';
import { closeSync, constants, fstatSync, openSync, readdirSync, writeSync } from 'node:fs';
import { rename, rm, symlink } from 'node:fs/promises';
import type { ReadStream } from 'node:tty';
import { open } from '@lydell/node-pty';
import type { Clock } from '../../foundation/clock.ts';
import { sleep, SystemClock } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';

// The library exports this and documents it in its README, but its declarations leave it out.
declare module '@lydell/node-pty' {
  export function open(options: { readonly encoding: null }): {
    readonly ptsName: string;
    /** Descriptor of the master, in non-blocking mode. */
    readonly fd: number;
    readonly master: ReadStream;
    readonly slave: ReadStream;
  };
}

export interface PtyOptions {
  /** A symbolic link to keep pointing at the device, so it has the same path after it was closed and opened again. */
  readonly link?: string;
  /** What the opener of the device writes to it. */
  readonly onBytes?: (bytes: Uint8Array) => void;
  readonly clock?: Clock;
}

/** A pseudo-terminal: whoever opens `path` as a serial port reads what is written here. */
export interface Pty extends Closable {
  /** The device (`/dev/pts/N`), or the link to it. */
  readonly path: string;
  /**
   * Resolves when the bytes are handed to the kernel, in the order of the calls. What is sent while nobody reads waits
   * there, a few kilobytes; the rest waits here.
   * @throws Error when it is closed, also while waiting, or when more than 16 MiB wait
   */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Opens a pseudo-terminal in raw mode, as a serial device stands ready before anyone opens it. Closing it is pulling the
 * plug: the opener loses its port, and the path is gone.
 * @throws Error where the platform has no pseudo-terminals
 */
export async function openPty(options: PtyOptions = {}): Promise<Pty> {
  const { ptsName, fd, master, slave } = open({ encoding: null });
  // Raw, or the line discipline would echo, and turn CR into LF.
  slave.setRawMode(true);
  // The device must stay open on this side without being read, or the master gets EIO whenever its opener lets go.
  const keeper = openSync(ptsName, constants.O_RDWR | constants.O_NOCTTY);
  slave.destroy();
  await once(slave, 'close');
  closeOtherHandles(keeper);
  master.removeAllListeners('error');
  // The only error left is that of the torn-down line, and a write reports it to its caller.
  master.on('error', () => {});
  const { onBytes, link } = options;
  master.on('data', (chunk: Buffer) => onBytes?.(chunk));
  if (link !== undefined) {
    await symlink(ptsName, `${link}.new`);
    await rename(`${link}.new`, link);
  }
  return new OpenPty({ master, fd, keeper, ptsName, link, clock: options.clock ?? new SystemClock() });
}

/**
 * The library opens the device itself and its stream opens it once more, so one descriptor stays behind that nobody
 * can name: with it open, the device would outlive its unplugging. Called before anyone else knows the path.
 */
function closeOtherHandles(keeper: number): void {
  const device = fstatSync(keeper).rdev;
  for (const name of readdirSync('/dev/fd')) {
    const descriptor = Number(name);
    if (descriptor !== keeper && rdevOf(descriptor) === device) closeSync(descriptor);
  }
}

function rdevOf(descriptor: number): number | undefined {
  try {
    return fstatSync(descriptor).rdev;
  } catch {
    return undefined; // the listing's own descriptor, closed by now
  }
}

/** How long to leave a full line to its reader, ms. */
const FULL_LINE_WAIT_MS = 2;
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

interface PtyParts {
  readonly master: ReadStream;
  readonly fd: number;
  readonly keeper: number;
  readonly ptsName: string;
  readonly link: string | undefined;
  readonly clock: Clock;
}

class OpenPty implements Pty {
  readonly #parts: PtyParts;
  readonly #unplugged = new AbortController();
  #waitingBytes = 0;
  #lastWrite: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(parts: PtyParts) {
    this.#parts = parts;
  }

  get path(): string {
    return this.#parts.link ?? this.#parts.ptsName;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#waitingBytes + bytes.length > WAITING_BYTES_MAX) {
      throw new Error(`nobody reads ${this.path}: ${this.#waitingBytes} bytes wait already`);
    }
    this.#waitingBytes += bytes.length;
    const write = this.#lastWrite.then(() => this.#writeAll(Uint8Array.from(bytes)));
    this.#lastWrite = write.catch(() => {}); // reported to its own caller
    try {
      await write;
    } finally {
      this.#waitingBytes -= bytes.length;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Not through the stream: on a terminal it would write in blocking mode and spin for as long as nobody reads. */
  async #writeAll(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      this.#unplugged.signal.throwIfAborted();
      const taken = this.#writeSome(bytes.subarray(written));
      written += taken;
      if (taken === 0) await sleep(this.#parts.clock, FULL_LINE_WAIT_MS, this.#unplugged.signal);
    }
  }

  #writeSome(bytes: Uint8Array): number {
    try {
      return writeSync(this.#parts.fd, bytes);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
      throw error;
    }
  }

  async #close(): Promise<void> {
    const { link, master, keeper } = this.#parts;
    this.#unplugged.abort(new Error(`${this.path} is closed`));
    await this.#lastWrite;
    if (link !== undefined) await rm(link, { force: true });
    await new Promise<void>((resolve) => {
      master.once('close', () => resolve());
      master.destroy();
    });
    closeSync(keeper);
  }
}
