import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { StammkundeError } from './errors.ts';

/**
 * Makes a folder, and those above it, open to its owner alone; one that is there stays as it is. Node.js does the same
 * with `recursive`, but goes on for ever where a file system takes no folders, such as below /proc.
 * @throws StammkundeError DATA_UNWRITABLE
 */
export function makeFolder(path: string): void {
  try {
    make(resolve(path));
  } catch (error) {
    throw new StammkundeError('DATA_UNWRITABLE', `${path} cannot be made`, { cause: error });
  }
}

function make(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const above = dirname(path);
  if (above !== path) make(above);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Somebody else was quicker; whatever is not a folder after all is the fault it was.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
