import { once } from 'node:events';
import { closeSync, constants, fstatSync, openSync, readdirSync } from 'node:fs';
import { rename, rm, symlink } from 'node:fs/promises';
import type { ReadStream } from 'node:tty';
import { open } from '@lydell/node-pty';
import type { Closable } from '../../foundation/lifecycle.ts';

// The library exports this and documents it in its README, but its declarations leave it out.
declare module '@lydell/node-pty' {
  export function open(options: { readonly encoding: null }): {
    readonly ptsName: string;
    readonly master: ReadStream;
    readonly slave: ReadStream;
  };
}

export interface PtyOptions {
  /** A symbolic link to keep pointing at the device, so it has the same path after it was closed and opened again. */
  readonly link?: string;
  /** What the opener of the device writes to it. */
  readonly onBytes?: (bytes: Uint8Array) => void;
}

/** A pseudo-terminal: whoever opens `path` as a serial port reads what is written here. */
export interface Pty extends Closable {
  /** The device (`/dev/pts/N`), or the link to it. */
  readonly path: string;
  /** Resolves when the bytes are handed to the kernel. What is sent while nobody has it open waits there. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Opens a pseudo-terminal in raw mode, as a serial device stands ready before anyone opens it. Closing it is pulling the
 * plug: the opener loses its port, and the path is gone.
 * @throws Error where the platform has no pseudo-terminals
 */
export async function openPty(options: PtyOptions = {}): Promise<Pty> {
  const { ptsName, master, slave } = open({ encoding: null });
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
  return new OpenPty(master, keeper, ptsName, link);
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

class OpenPty implements Pty {
  readonly path: string;
  readonly #master: ReadStream;
  readonly #keeper: number;
  readonly #link: string | undefined;
  #closing: Promise<void> | undefined;

  constructor(master: ReadStream, keeper: number, ptsName: string, link: string | undefined) {
    this.path = link ?? ptsName;
    this.#master = master;
    this.#keeper = keeper;
    this.#link = link;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#master.write(bytes, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#link !== undefined) await rm(this.#link, { force: true });
    await new Promise<void>((resolve) => {
      this.#master.once('close', () => resolve());
      this.#master.destroy();
    });
    closeSync(this.#keeper);
  }
}
