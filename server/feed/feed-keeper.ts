import type { Clock } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import { reapplyErasures } from '../customers/redact-indexes.ts';
import type { Database } from '../database/database.ts';
import { foldRanges } from './fold-ranges.ts';
import { readScopeSetting } from './programme-scope.ts';
import { moveCustomers, moveEverybody, moveVisitors } from './scope-sweep.ts';
import { purgeErasedIndexes, purgeTombstones } from './purge.ts';

const FOLD_EVERY_MS = 10_000;
const MOVE_EVERY_MS = 30_000;
/** Whoever was not seen for long is looked for this often; it is a matter of days. */
const LOOK_AT_ALL_EVERY_MS = 3_600_000;
const PURGE_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;

export interface FeedKeeperPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Days for which tombstones are kept: a till that was away for longer loads its replica anew. */
  readonly tombstoneDays: number;
  /** Leads from the cards that were erased to their newer indexes. */
  readonly indexer?: IndexForms;
}

/** What has to be done for the feed now and then, by any server of several. */
export class FeedKeeper implements Closable {
  readonly #ports: FeedKeeperPorts;
  readonly #duties: readonly Duty[];
  /** The setting for which all were looked at, and when. */
  #movedFor: string | undefined;
  #movedAllAtMs = 0;
  /** Who could not be moved the last time. */
  #leftOut: readonly string[] = [];
  readonly #ending = new AbortController();

  constructor(ports: FeedKeeperPorts) {
    this.#ports = ports;
    const duty = (event: string, everyMs: number, work: () => Promise<void>): Duty =>
      new Duty(ports, { event, everyMs, work });
    this.#duties = [
      duty('feed.fold', FOLD_EVERY_MS, async () => void (await foldRanges(ports.database))),
      duty('feed.move', MOVE_EVERY_MS, () => this.move()),
      duty('feed.purge', PURGE_EVERY_MS, () => this.purge()),
    ];
  }

  /** Puts customers into the part of the customer base where they belong: all of them after the setting changed. */
  async move(): Promise<void> {
    const { database, clock, log } = this.#ports;
    const setting = JSON.stringify((await readScopeSetting(database.db)) ?? null);
    const isDue =
      setting !== this.#movedFor || clock.monotonicMs() - this.#movedAllAtMs >= LOOK_AT_ALL_EVERY_MS;
    const now = clock.now();
    const { signal } = this.#ending;
    const again = await moveCustomers(database, this.#leftOut, now, signal);
    const swept = await (isDue ? moveEverybody : moveVisitors)(database, now, signal);
    this.#leftOut = [...new Set([...again.leftOut, ...swept.leftOut])];
    if (isDue && !signal.aborted) [this.#movedFor, this.#movedAllAtMs] = [setting, clock.monotonicMs()];
    const moved = again.moved + swept.moved;
    if (moved > 0) log.info({ event: 'feed.moved', customers: moved, leftOut: this.#leftOut.length });
  }

  /** Forgets what is older than the horizon, and erases what tills brought of the erased since. */
  async purge(): Promise<void> {
    const { database, clock, log, tombstoneDays, indexer } = this.#ports;
    const late = await reapplyErasures(database, indexer);
    const before = clock.now() - tombstoneDays * DAY_MS;
    let purged = 0;
    for (let some = -1; some !== 0 && !this.#ending.signal.aborted; purged += some) {
      some = await purgeTombstones(database, before);
    }
    if (this.#ending.signal.aborted) return;
    await purgeErasedIndexes(database, before);
    if (purged + late > 0) log.info({ event: 'feed.purged', tombstones: purged, erasedLate: late });
  }

  /** Ends what is being done at its next transaction; the rest is done by another server, or after the next start. */
  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#duties.map((each) => each.close()));
  }
}

/** Something done again and again, never twice at once. A failure is told, and the next time comes as ever. */
class Duty implements Closable {
  readonly #ports: Pick<FeedKeeperPorts, 'clock' | 'log'>;
  readonly #what: { readonly event: string; readonly everyMs: number; readonly work: () => Promise<void> };
  #cancel: () => void = () => {};
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(
    ports: Pick<FeedKeeperPorts, 'clock' | 'log'>,
    what: { readonly event: string; readonly everyMs: number; readonly work: () => Promise<void> },
  ) {
    this.#ports = ports;
    this.#what = what;
    this.#wait();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#running;
  }

  #wait(): void {
    if (this.#closed) return;
    const { clock, log } = this.#ports;
    const { event, everyMs, work } = this.#what;
    this.#cancel = clock.schedule(everyMs, () => {
      this.#running = work()
        .catch((error: unknown) => log.warn({ event: `${event}_failed`, error: asError(error) }))
        .finally(() => this.#wait());
    });
  }
}
