import type { Clock } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Database } from './database.ts';
import { readOrigin, readStored } from './epoch.ts';

/** How long positions of a history that is over may be given out. Tills load anew once they hear of the new one. */
const LOOK_EVERY_MS = 5_000;
/** Looks at another history that cannot be learned, before somebody has to see to it. */
const FAILURES_MAX = 3;

export interface EpochWatchPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each new epoch. */
  readonly onNewEpoch: () => void;
}

/**
 * Sees when another database answers than the one that was opened: a standby that was promoted, perhaps without the last
 * commits, or a backup put back. Connections are made anew by themselves, so nothing else would tell. And it sees when
 * another server made a new epoch.
 */
export class EpochWatch implements Closable {
  readonly #ports: EpochWatchPorts;
  #cancel: () => void = () => {};
  #looking: Promise<void> | undefined;
  #closed = false;
  /** Looks in a row that saw another history and could not learn it. */
  #failures = 0;

  constructor(ports: EpochWatchPorts) {
    this.#ports = ports;
    this.#wait(0);
  }

  /** False while the database has another history than the one that is served, and it cannot be learned. */
  get well(): boolean {
    return this.#failures < FAILURES_MAX;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#looking;
  }

  #wait(delayMs: number): void {
    if (this.#closed) return;
    const { clock, log } = this.#ports;
    this.#cancel = clock.schedule(delayMs, () => {
      this.#looking = this.#look()
        // The database is away, which others tell of; it is looked at again.
        .catch((error: unknown) => log.debug({ event: 'database.epoch_unseen', error: asError(error) }))
        .finally(() => this.#wait(LOOK_EVERY_MS));
    });
  }

  async #look(): Promise<void> {
    const { database, log, onNewEpoch } = this.#ports;
    const origin = await readOrigin(database.db);
    const stored = await readStored(database.db);
    // The origin is as it was when the epoch was made, or the data came from elsewhere.
    const isOther = differs(stored.system, origin.system) || differs(stored.timeline, origin.timeline);
    if (!isOther && stored.epoch === database.epoch) return this.#learned();
    const served = database.epoch;
    // What another server made of the database as it is now is taken as it stands, also of a newer schema. Anything
    // else is for the database to say: the number of a timeline is no proof of it, two standbys begin the same one.
    const isMade = !isOther && stored.epoch !== null && stored.epoch > served;
    try {
      if (isMade) database.adoptEpoch(stored.epoch);
      else await database.learnEpoch();
    } catch (error) {
      this.#notLearned(asError(error));
      throw error;
    }
    this.#learned();
    if (database.epoch === served) return;
    log.warn({ event: 'database.replaced', epoch: database.epoch });
    onNewEpoch();
  }

  #learned(): void {
    this.#failures = 0;
  }

  #notLearned(error: Error): void {
    const { log, database } = this.#ports;
    this.#failures += 1;
    if (this.#failures !== FAILURES_MAX) return;
    // Until then it gives out positions of a history that is over.
    log.error({ event: 'database.epoch_unlearned', epoch: database.epoch, error });
  }
}

/** A database that does not say, such as a standby not yet promoted, is not taken for another. */
function differs(before: string | null, now: string | null): boolean {
  return now !== null && before !== now;
}
