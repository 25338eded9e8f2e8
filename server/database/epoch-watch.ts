import type { Clock } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Database } from './database.ts';
import { readOrigin } from './epoch.ts';
import type { Origin } from './epoch.ts';

/** How long positions of a history that is over may be given out. Tills load anew once they hear of the new one. */
const LOOK_EVERY_MS = 5_000;

export interface EpochWatchPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each new epoch. */
  readonly onNewEpoch: () => void;
}

/**
 * Sees when another database answers than the one that was opened: a standby that was promoted, perhaps without the last
 * commits, or a backup put back. Connections are made anew by themselves, so nothing else would tell.
 */
export class EpochWatch implements Closable {
  readonly #ports: EpochWatchPorts;
  /** Undefined until first seen. */
  #origin: Origin | undefined;
  #cancel: () => void = () => {};
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(ports: EpochWatchPorts) {
    this.#ports = ports;
    this.#wait(0);
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
    const before = this.#origin;
    const isOther =
      before === undefined ||
      differs(before.system, origin.system) ||
      differs(before.timeline, origin.timeline);
    if (!isOther) return;
    const isNew = await database.learnEpoch();
    // Kept only now: what failed is done again.
    this.#origin = {
      system: origin.system ?? before?.system ?? null,
      timeline: origin.timeline ?? before?.timeline ?? null,
    };
    if (!isNew) return;
    log.warn({ event: 'database.replaced', epoch: database.epoch });
    onNewEpoch();
  }
}

/** A database that does not say, such as a standby not yet promoted, is not taken for another. */
function differs(before: string | null, now: string | null): boolean {
  return now !== null && before !== now;
}
