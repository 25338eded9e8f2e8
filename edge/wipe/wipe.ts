import { join } from 'node:path';
import type { Clock } from '../../foundation/clock.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import { asError, isFault, StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { EdgeConfig } from '../config.ts';
import { DataFolderLock } from '../journal/data-folder-lock.ts';
import { WIPE_KEY_FILE } from '../wipe-key.ts';
import { finishWipe, wipeData, wipeKeys, wipeStateOf } from './wipe-files.ts';
import type { WipeFault, WipePlaces } from './wipe-files.ts';

/** How long sales that the server does not have yet may be sent before the keys go. */
const SEND_DEADLINE_MS = 1_500;
/** How long closing may take before the files are removed under it. */
const CLOSE_DEADLINE_MS = 1_500;

/** What an ordered wipe needs of a running till. */
export interface WipingTill {
  /** Resolves when the server has confirmed all, cannot be reached, or the time is over. */
  sent(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

/** What of a till has to be destroyed: what opens its files, and what opens the broker to it. */
export function wipePlacesOf(config: EdgeConfig): WipePlaces {
  const { tillKeyFile, identifierKeyFile, addedIdentifierKeyFiles } = config.keys;
  const sources = [tillKeyFile, identifierKeyFile, ...addedIdentifierKeyFiles];
  return {
    dataFolder: config.dataFolder,
    keyFiles: [
      join(config.dataFolder, WIPE_KEY_FILE),
      ...sources.filter((source) => typeof source === 'string'),
      ...(config.broker.passwordFile === undefined ? [] : [config.broker.passwordFile]),
    ],
  };
}

/**
 * Refuses to go on where a till was wiped, and finishes what an interrupted wipe has left.
 * @throws StammkundeError TILL_WIPED
 */
export function assertNotWiped(places: WipePlaces, log: Log): void {
  switch (wipeStateOf(places.dataFolder)) {
    case 'none':
      return;
    case 'ordered':
      report(finishWipe(places), log);
      throw new StammkundeError(
        'TILL_WIPED',
        wipeStateOf(places.dataFolder) === 'done'
          ? 'a wipe was ordered and interrupted; it is finished now'
          : 'a wipe was ordered, and not all can be destroyed; the next start tries again',
      );
    case 'done':
      throw new StammkundeError('TILL_WIPED', 'this till was wiped by order of the server');
  }
}

/**
 * Takes hold of a till's data folder. One that is to be wiped is wiped even where it cannot be locked, as on a disk that
 * has become read-only: its keys may lie elsewhere.
 * @throws StammkundeError TILL_WIPED · DATA_IN_USE · DATA_UNWRITABLE · DATA_DISK_FULL
 */
export async function lockUnlessWiped(places: WipePlaces, log: Log): Promise<DataFolderLock> {
  let lock: DataFolderLock;
  try {
    lock = await DataFolderLock.open(places.dataFolder);
  } catch (error) {
    if (!isFault(error, 'DATA_IN_USE')) assertNotWiped(places, log);
    throw error;
  }
  try {
    assertNotWiped(places, log);
    return lock;
  } catch (error) {
    await lock.close();
    throw error;
  }
}

/**
 * Obeys an order that has been noted on the disk already: what can be sent within a moment is, then the keys go, then
 * the data. Never throws: what cannot be done is logged, and the rest is done.
 */
export async function obeyWipe(
  till: WipingTill,
  places: WipePlaces,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<void> {
  await within(SEND_DEADLINE_MS, 'sending what is unsent', () => till.sent(SEND_DEADLINE_MS));
  const keyFaults = wipeKeys(places.keyFiles);
  report(keyFaults, log);
  await within(CLOSE_DEADLINE_MS, 'closing', () => till.close());
  report(wipeData(places.dataFolder, keyFaults), log);
  log.warn({ event: 'till.wiped' });

  async function within(deadlineMs: number, what: string, work: () => Promise<void>): Promise<void> {
    try {
      await withDeadline(work(), { clock, deadlineMs, code: 'BUS_TIMEOUT', what });
    } catch (error) {
      log.warn({ event: 'till.wipe.hurried', what, error: asError(error) });
    }
  }
}

function report(faults: readonly WipeFault[], log: Log): void {
  for (const { path, error } of faults) log.error({ event: 'till.wipe.failed', path, error });
}
