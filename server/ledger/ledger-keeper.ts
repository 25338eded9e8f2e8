import type { Clock } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Database } from '../database/database.ts';
import { sweepClaims } from '../intake/post-claims.ts';
import type { ClaimCircumstances } from '../intake/post-claims.ts';
import { sweepReturns } from '../intake/post-returns.ts';
import { qualifyTiers } from '../programme/qualify-tiers.ts';
import type { Reservations } from '../redemption/reservations.ts';
import { nearlyFull } from './bounds.ts';
import { settleDue } from './due.ts';

const EVERY_MS = 60_000;

export interface LedgerKeeperPorts {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly reservations: Pick<Reservations, 'expire'>;
  /** What claims are settled with that waited for their sale. */
  readonly claims: Pick<ClaimCircumstances, 'indexer' | 'receiptKeyOf'>;
  /** Told when points moved. */
  readonly onCommitted: () => void;
}

/**
 * What falls due in the ledger, by any server of several: points vest and expire, reservations end, returns and claims
 * that wait for a sale are looked at again, and customers get the tier they qualify for. A failure is told, and the next time comes as ever.
 */
export class LedgerKeeper implements Closable {
  readonly #ports: LedgerKeeperPorts;
  readonly #ending = new AbortController();
  readonly #nearlyFull = new Set<string>();
  #cancel: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(ports: LedgerKeeperPorts) {
    this.#ports = ports;
    this.#wait();
  }

  /** Does all that is due, in transactions of bounded size. */
  async run(): Promise<void> {
    const { database, clock, log, reservations, claims, onCommitted } = this.#ports;
    const { signal } = this.#ending;
    const now = clock.now();
    let accounts = 0;
    for (let more = true; more && !signal.aborted;) {
      const done = await database.transaction((tx) => settleDue(tx, now));
      accounts += done.accounts;
      more = done.more;
    }
    for (let more = true; more && !signal.aborted;) {
      const swept = await database.transaction((tx) => sweepReturns(tx, now));
      for (const each of swept.refused) log.warn({ event: 'ledger.return_refused', ...each });
      more = swept.more;
    }
    let claimed = 0;
    for (let more = true; more && !signal.aborted;) {
      const swept = await database.transaction((tx) => sweepClaims(tx, { now, ...claims }));
      claimed += swept.settled;
      more = swept.more;
    }
    const ended = await reservations.expire();
    if (ended > 0) log.info({ event: 'ledger.reservations_ended', ended });
    let tiers = 0;
    for (let more = true; more && !signal.aborted;) {
      const done = await database.transaction((tx) => qualifyTiers(tx, now));
      tiers += done.changed;
      more = done.more;
    }
    await this.#tellNearlyFull();
    if (tiers > 0) log.info({ event: 'ledger.tiers_changed', customers: tiers });
    if (accounts > 0) log.info({ event: 'ledger.settled', accounts });
    if (accounts + claimed + tiers > 0) onCommitted();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#cancel();
    await this.#running;
  }

  /** Once for each account: it does not become less by itself. */
  async #tellNearlyFull(): Promise<void> {
    for (const each of await nearlyFull(this.#ports.database.db)) {
      if (this.#nearlyFull.has(each.account)) continue;
      this.#nearlyFull.add(each.account);
      this.#ports.log.error({ event: 'ledger.nearly_full', ...each });
    }
  }

  #wait(): void {
    if (this.#ending.signal.aborted) return;
    this.#cancel = this.#ports.clock.schedule(EVERY_MS, () => {
      this.#running = this.run()
        .catch((error: unknown) =>
          this.#ports.log.warn({ event: 'ledger.keeping_failed', error: asError(error) }),
        )
        .finally(() => this.#wait());
    });
  }
}
