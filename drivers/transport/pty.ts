import { once } from 'node:events';
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { chmod, chown, lstat, readlink, rename, rm, symlink } from 'node:fs/promises';
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

export type PtyAccess = 'owner' | 'group' | 'all';

export interface PtyOptions {
  /**
   * A symbolic link to keep pointing at the device, so it has the same path after it was closed and opened again. One
   * that is there already, such as that of a process that was killed, is replaced; anything else is left alone.
   */
  readonly link?: string;
  /** Who may open the device: the account of this process (mode 0600), its group too (0660), or everyone (0666). */
  readonly access?: PtyAccess;
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
  /**
   * Hands over at once what the kernel has room for, and returns how many bytes that was. Not to be mixed with `write`.
   * @throws Error when it is closed
   */
  writeNow(bytes: Uint8Array): number;
  /**
   * Takes back what was handed over and nobody has read, a few kilobytes at most; empty when all was read. Bytes reach
   * the reader's queue some moments after they were handed over, so this is right only for bytes that have been there
   * for a while.
   * @throws Error when it is closed
   */
  takeBack(): Uint8Array;
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
  const keeper = openSync(ptsName, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  slave.destroy();
  await once(slave, 'close');
  closeOtherHandles(keeper);
  master.removeAllListeners('error');
  // The only error left is that of the torn-down line, and a write reports it to its caller.
  master.on('error', () => {});
  const { onBytes, link, access } = options;
  master.on('data', (chunk: Buffer) => onBytes?.(chunk));
  const clock = options.clock ?? new SystemClock();
  const pty = new OpenPty({ master, fd, keeper, ptsName, link, clock });
  try {
    if (access !== undefined) await admit(ptsName, access);
    if (link !== undefined) await putLink(link, ptsName);
  } catch (error) {
    await pty.close();
    throw error;
  }
  return pty;
}

/** The system gives a new device to the group tty, which is nobody's till. */
async function admit(device: string, access: PtyAccess): Promise<void> {
  const group = process.getegid?.();
  const owner = process.geteuid?.();
  if (access === 'group' && group !== undefined && owner !== undefined) await chown(device, owner, group);
  await chmod(device, { owner: 0o600, group: 0o660, all: 0o666 }[access]);
}

/** At no moment does the link lead nowhere once it was there. */
async function putLink(link: string, device: string): Promise<void> {
  const there = await lstat(link).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (there !== undefined && !there.isSymbolicLink()) throw new Error(`${link} is there and is no link`);
  const fresh = `${link}.new`;
  await rm(fresh, { force: true });
  await symlink(device, fresh);
  await rename(fresh, link);
}

/** Removes the link unless it has come to lead elsewhere: a successor may have put its own already. */
async function removeLink(link: string, device: string): Promise<void> {
  const leadsTo = await readlink(link).catch(() => undefined);
  if (leadsTo === device) await rm(link, { force: true });
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
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
/** More than a terminal's queues hold. */
const TAKEN_BACK_MAX = 128 * 1024;

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

  writeNow(bytes: Uint8Array): number {
    this.#unplugged.signal.throwIfAborted();
    return bytes.length === 0 ? 0 : this.#writeSome(bytes);
  }

  takeBack(): Uint8Array {
    this.#unplugged.signal.throwIfAborted();
    const taken: Uint8Array[] = [];
    for (let left = TAKEN_BACK_MAX; left > 0;) {
      const buffer = Buffer.allocUnsafe(left);
      const bytes = this.#readSome(buffer);
      if (bytes === 0) break;
      taken.push(buffer.subarray(0, bytes));
      left -= bytes;
    }
    return Buffer.concat(taken);
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
      if (isSystemError(error, 'EAGAIN')) return 0;
      throw error;
    }
  }

  #readSome(buffer: Uint8Array): number {
    try {
      return readSync(this.#parts.keeper, buffer);
    } catch (error) {
      if (isSystemError(error, 'EAGAIN')) return 0;
      throw error;
    }
  }

  async #close(): Promise<void> {
    const { link, master, keeper, ptsName } = this.#parts;
    this.#unplugged.abort(new Error(`${this.path} is closed`));
    await this.#lastWrite;
    if (link !== undefined) await removeLink(link, ptsName);
    await new Promise<void>((resolve) => {
      master.once('close', () => resolve());
      master.destroy();
    });
    closeSync(keeper);
  }
}
