import { statfsSync, statSync } from 'node:fs';
import { StammkundeError, isFault } from '../../foundation/errors.ts';
import { LOADING_WAL_PAGES } from './replica.ts';

/** What is left free for sales when a replica is loaded beside the serving one. */
const JOURNAL_RESERVE_BYTES = 64 * 1024 * 1024;
/** The WAL of a replica that is loaded, at its largest. */
const WAL_BYTES = LOADING_WAL_PAGES * 4_096;

/** @throws StammkundeError DATA_DISK_FULL when a copy beside the serving one would leave the journal no room */
export function requireRoom(
  folder: string,
  files: { readonly serving: string; readonly part: string | undefined },
): void {
  const { bavail, bsize } = statfsSync(folder);
  const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const needed = sizeOf(files.serving) - (files.part === undefined ? 0 : sizeOf(files.part));
  if (bavail * bsize >= needed + WAL_BYTES + JOURNAL_RESERVE_BYTES) return;
  throw new StammkundeError('DATA_DISK_FULL', `${folder} has no room for another replica`);
}

export function isDiskFull(error: unknown): boolean {
  return isFault(error, 'DATA_DISK_FULL') || (isFault(error) && isFault(error.cause, 'DATA_DISK_FULL'));
}
