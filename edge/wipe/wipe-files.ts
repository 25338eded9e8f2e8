import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { asError } from '../../foundation/errors.ts';

/** There from the order on until all is wiped: a till that starts with it goes on wiping and does nothing else. */
const ORDERED = 'wipe-ordered';
/** There once all is wiped: a till does not start with it. */
const DONE = 'wiped';
/** Stays, for the process that wipes holds it. */
const LOCK = 'in-use.lock';

export type WipeState = 'none' | 'ordered' | 'done';

/** What is to be destroyed. */
export interface WipePlaces {
  readonly dataFolder: string;
  /** Files with keys and passwords, wherever they are. */
  readonly keyFiles: readonly string[];
}

/** What could not be destroyed, and why: somebody has to go there. */
export interface WipeFault {
  readonly path: string;
  readonly error: Error;
}

/** Whether a till's folder is to be wiped, or was. */
export function wipeStateOf(dataFolder: string): WipeState {
  if (existsSync(join(dataFolder, ORDERED))) return 'ordered';
  return existsSync(join(dataFolder, DONE)) ? 'done' : 'none';
}

/** From when this returns the till ends wiped, whatever happens to its power. */
export function orderWipe(dataFolder: string): void {
  closeSync(openSync(join(dataFolder, ORDERED), 'w', 0o600));
  syncFolder(dataFolder);
}

/**
 * Makes the keys unreadable, then unfindable. The bytes are overwritten in place first; that a disk keeps no older copy
 * of them is more than a program can promise, which is why keys are best sealed (docs/keys.md).
 * @param onStep called after each step that a power cut could come after
 */
export function wipeKeys(keyFiles: readonly string[], onStep: () => void = () => {}): readonly WipeFault[] {
  const faults: WipeFault[] = [];
  for (const path of keyFiles) {
    attempt(path, faults, () => {
      if (!existsSync(path)) return;
      overwrite(path);
      onStep();
      rmSync(path);
      syncFolder(dirname(path));
      onStep();
    });
  }
  return faults;
}

/**
 * Removes all that is in the data folder: without the keys it was no more than noise. It is noted as done when nothing
 * is left, of the keys either; else the next start goes on.
 * @param keyFaults what {@link wipeKeys} could not do
 */
export function wipeData(
  dataFolder: string,
  keyFaults: readonly WipeFault[],
  onStep: () => void = () => {},
): readonly WipeFault[] {
  const faults: WipeFault[] = [];
  attempt(dataFolder, faults, () => {
    for (const name of readdirSync(dataFolder).toSorted()) {
      if (name === ORDERED || name === DONE || name === LOCK) continue;
      const path = join(dataFolder, name);
      attempt(path, faults, () => rmSync(path, { recursive: true }));
      onStep();
    }
    syncFolder(dataFolder);
    if (faults.length + keyFaults.length > 0) return;
    // A full disk took no note of the order; now there is room.
    if (!existsSync(join(dataFolder, ORDERED))) orderWipe(dataFolder);
    renameSync(join(dataFolder, ORDERED), join(dataFolder, DONE));
    syncFolder(dataFolder);
    onStep();
  });
  return faults;
}

/** Keys first, then data: what is left of a wipe that was interrupted. */
export function finishWipe(places: WipePlaces, onStep: () => void = () => {}): readonly WipeFault[] {
  const keyFaults = wipeKeys(places.keyFiles, onStep);
  const dataFaults = wipeData(places.dataFolder, keyFaults, onStep);
  return [...keyFaults, ...dataFaults];
}

function attempt(path: string, faults: WipeFault[], work: () => void): void {
  try {
    work();
  } catch (error) {
    faults.push({ path, error: asError(error) });
  }
}

/** Ones first, then zeros, each forced to the disk. */
function overwrite(path: string): void {
  const { size } = statSync(path);
  const file = openSync(path, 'r+');
  try {
    for (const bytes of [Buffer.alloc(size, 0xff), Buffer.alloc(size)]) {
      writeSync(file, bytes, 0, size, 0);
      fsyncSync(file);
    }
  } finally {
    closeSync(file);
  }
}

/** Makes it durable which files are in a folder. */
export function syncFolder(path: string): void {
  // Windows opens no folder; there the file system's own journal keeps the order.
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
