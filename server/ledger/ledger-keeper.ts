import type { Clock } from '../../foundation/clock.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import type { Database, DatabaseTransaction } from '../database/database.ts';
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
 * that wait for a sale are looked at again, and customers get the tier they qualify for. A failure is told, and the next
 * time comes as ever.
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

  /** Does all that is due, in transactions of bounded size. What one step fails at keeps no other from being done. */
  async run(): Promise<void> {
    const { log, reservations, claims, onCommitted } = this.#ports;
    const now = this.#ports.clock.now();
    const accounts = await this.#step(
      'settle',
      (tx) => settleDue(tx, now),
      (done) => done.accounts,
    );
    await this.#step(
      'returns',
      (tx) => sweepReturns(tx, now),
      ({ refused }) => {
        for (const each of refused) log.warn({ event: 'ledger.return_refused', ...each });
        return refused.length;
      },
    );
    const claimed = await this.#step(
      'claims',
      (tx) => sweepClaims(tx, { now, ...claims }),
      (done) => done.settled,
    );
    const ended = await this.#attempt('reservations', () => reservations.expire());
    const tiers = await this.#step(
      'tiers',
      (tx) => qualifyTiers(tx, now),
      (done) => done.changed,
    );
    await this.#attempt('bounds', () => this.#tellNearlyFull());
    if (ended !== undefined && ended > 0) log.info({ event: 'ledger.reservations_ended', ended });
    if (tiers > 0) log.info({ event: 'ledger.tiers_changed', customers: tiers });
    if (accounts > 0) log.info({ event: 'ledger.settled', accounts });
    if (accounts + claimed + tiers > 0) onCommitted();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#cancel();
    await this.#running;
  }

  /** One slice after the other until there is no more. @returns what `count` says of all of them */
  async #step<T extends { readonly more: boolean }>(
    step: string,
    slice: (tx: DatabaseTransaction) => Promise<T>,
    count: (done: T) => number,
  ): Promise<number> {
    let sum = 0;
    await this.#attempt(step, async () => {
      for (let more = true; more && !this.#ending.signal.aborted;) {
        const done = await this.#ports.database.transaction(slice);
        sum += count(done);
        more = done.more;
      }
    });
    return sum;
  }

  async #attempt<T>(step: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      // Of a database that is away nothing is told anew: whoever watches it does.
      const level = isFault(error, 'DB_UNREACHABLE') ? 'warn' : 'error';
      this.#ports.log[level]({ event: 'ledger.keeping_failed', step, error: asError(error) });
      return undefined;
    }
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
      this.#running = this.run().finally(() => this.#wait());
    });
  }
}
