import { stat } from 'node:fs/promises';
import type { Clock } from '../../foundation/clock.ts';

/** How often a device path is looked at, ms. */
const LOOK_EVERY_MS = 5000;

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
 * Watches whether `path` still leads to `node`, and calls back once when it does not. Some drivers never say that a
 * device was pulled out, and an open port whose path has come to name another device would stay silent for ever.
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
