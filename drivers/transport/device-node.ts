import { fstat } from 'node:fs';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Clock } from '../../foundation/clock.ts';

/** How often a device path is looked at, ms. */
const LOOK_EVERY_MS = 1000;

/** What tells a device node from one made anew under the same name; undefined where the path is no file (COM3). */
export async function deviceNode(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, rdev } = await stat(path);
    return `${dev}:${ino}:${rdev}`;
  } catch {
    return undefined;
  }
}

/**
 * The same of a device that is open, whatever its path leads to by now. Linux only: elsewhere a device's own node may be
 * another than the one its path names.
 */
export async function openDeviceNode(fd: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    const { dev, ino, rdev } = await promisify(fstat)(fd);
    return `${dev}:${ino}:${rdev}`;
  } catch {
    return undefined; // closed by now
  }
}

/**
 * Watches whether `path` still leads to `node`, and calls back once when it does not. Some drivers never say that a
 * device was pulled out; the serialport binding misses it where it was about to read just then, and reads nothing over
 * and over; and an open port whose path has come to name another device would stay silent for ever.
 * @returns a function that ends the watch
 */
export function watchDeviceNode(
  path: string,
  node: string | undefined,
  clock: Clock,
  onGone: () => void,
): () => void {
  let ended = node === undefined;
  let cancel: () => void = () => {};
  const look = async (): Promise<void> => {
    const now = await deviceNode(path);
    if (ended) return;
    if (now === node) {
      schedule();
    } else {
      ended = true;
      onGone();
    }
  };
  const schedule = (): void => {
    cancel = clock.schedule(LOOK_EVERY_MS, () => void look()); // never rejects
  };
  if (!ended) schedule();
  return () => {
    ended = true;
    cancel();
  };
}
