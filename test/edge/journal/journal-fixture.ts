import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { uuidV7 } from '../../../foundation/random.ts';
import type { Clock } from '../../../foundation/clock.ts';
import { Journal } from '../../../edge/journal/journal.ts';
import type { JournalOptions } from '../../../edge/journal/journal.ts';
import type { Transaction } from '../../../sync/contract/transaction.ts';
import { ManualClock } from '../../support/manual-clock.ts';

export const KEY = Buffer.alloc(32, 7);

/** A folder that is removed when the test has ended. */
export function temporaryFolder(onEnd: (remove: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'stammkunde-journal-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The same where syncing costs nothing, if there is such a place: for tests that make the loss of power themselves. */
export function quickFolder(onEnd: (remove: () => void) => void): string {
  const memory = '/dev/shm';
  const folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'stammkunde-journal-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function openJournal(folder: string, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return Journal.open({
    file: join(folder, 'journal.db'),
    key: KEY,
    till: 'till-1',
    clock: new ManualClock(),
    random: new SeededRandom(options.unconfirmedMax ?? 1),
    log: silentLog,
    unconfirmedMax: 1_000,
    ...options,
  });
}

const random = new SeededRandom(42);

/** A completed sale of one line. */
export function completedSale(clock: Clock = new ManualClock(), totalMinor = 100): Transaction {
  return {
    kind: 'sale.completed',
    saleId: uuidV7(clock.now(), random),
    storeId: 'store-1',
    at: clock.now(),
    basket: {
      currency: 'EUR',
      lines: [{ id: '1', article: '4006381333931', quantityMilli: 1000, totalMinor }],
      totalMinor,
    },
    customer: null,
    earned: { programmeVersion: 1, base: 1, bonuses: [] },
  };
}
