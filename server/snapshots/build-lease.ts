import { sql } from 'kysely';
import type { DatabaseTransaction, Queries } from '../database/database.ts';
import type { Base } from './snapshot-store.ts';

/** How long a builder is believed to be at work without saying so again. */
const LEASE_SECONDS = 120;

/**
 * The right to make the snapshot of a base, for one of all servers. Told by the database's clock, and let go by itself
 * when the one who has it does not come back. A row and no advisory lock: those belong to a connection, and pools have
 * several.
 */
export class BuildLease {
  readonly #db: Queries;
  readonly #base: Base;
  readonly #builder: string;

  private constructor(db: Queries, base: Base, builder: string) {
    this.#db = db;
    this.#base = base;
    this.#builder = builder;
  }

  /** Undefined while another has it. */
  static async take(db: Queries, base: Base, builder: string): Promise<BuildLease | undefined> {
    const { rows } = await sql`
      insert into snapshot_build as held (base, builder, until) values (${base}, ${builder}, ${UNTIL})
      on conflict (base) do update set builder = excluded.builder, until = excluded.until
        where held.until < clock_timestamp()
      returning base`.execute(db);
    return rows.length === 0 ? undefined : new BuildLease(db, base, builder);
  }

  /** False when it was lost meanwhile: another builds, and this one is to stop. */
  async renew(): Promise<boolean> {
    const { rows } = await sql`
      update snapshot_build set until = ${UNTIL}
      where base = ${this.#base} and builder = ${this.#builder} returning base`.execute(this.#db);
    return rows.length > 0;
  }

  /** False when it was lost; else it cannot be lost before the end of the transaction. */
  async hold(tx: DatabaseTransaction): Promise<boolean> {
    const { rows } = await sql`
      select base from snapshot_build
      where base = ${this.#base} and builder = ${this.#builder} for update`.execute(tx);
    return rows.length > 0;
  }

  async release(): Promise<void> {
    await sql`
      delete from snapshot_build where base = ${this.#base} and builder = ${this.#builder}`.execute(this.#db);
  }
}

const UNTIL = sql`clock_timestamp() + ${sql.lit(`${LEASE_SECONDS} seconds`)}::interval`;
