import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { platform } from 'node:process';

/** Makes the names in a file's folder durable. Windows has nothing of the kind and needs none. */
export function syncFolder(file: string): void {
  if (platform === 'win32') return;
  const descriptor = openSync(dirname(file), 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
