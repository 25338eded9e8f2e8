import { sql } from 'kysely';
import type { Clock } from '../../foundation/clock.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import type { Allowance, PointsAllowanceAnswer } from '../../sync/contract/redemption.ts';
import type { Database } from '../database/database.ts';
import { currentProgramme } from '../programme/programme-store.ts';

/** Allowances by which tills redeem while they cannot ask. The programme says how much; each is noted, for the exposure. */
export class Allowances {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(ports: { readonly database: Database; readonly clock: Clock }) {
    this.#database = ports.database;
    this.#clock = ports.clock;
  }

  /** @throws StammkundeError DB_UNREACHABLE */
  async answer(till: TillId): Promise<PointsAllowanceAnswer> {
    return { kind: 'points.allowance', allowance: await this.#give(till) };
  }

  async #give(till: TillId): Promise<Allowance | null> {
    const offline = (await currentProgramme(this.#database.db))?.redemption?.offline;
    if (offline === undefined) return null;
    const now = this.#clock.now();
    const { perCustomer, perTill, byTrust, validForMs } = offline;
    const validUntil = now + validForMs;
    // Counted in ms since the epoch: a database out of a backup, or a new one, goes on above what tills have.
    const { rows } = await sql<{ version: number }>`
      insert into till_allowance as known (till, version, per_customer, per_till, valid_until, issued_at)
      values (${till}, ${now}::bigint, ${perCustomer}::bigint, ${perTill}::bigint, ${validUntil}::bigint, ${now}::bigint)
      on conflict (till) do update set version = greatest(known.version + 1, excluded.version), per_customer = excluded.per_customer,
        per_till = excluded.per_till, valid_until = excluded.valid_until, issued_at = excluded.issued_at
      returning version`.execute(this.#database.db);
    return { till, version: rows[0]?.version ?? now, perCustomer, perTill, byTrust, validUntil };
  }
}
