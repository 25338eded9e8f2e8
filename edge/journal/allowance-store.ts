import { StammkundeError } from '../../foundation/errors.ts';
import { Allowance } from '../../sync/contract/redemption.ts';
import type { JournalDatabase } from './journal-database.ts';

/** Older programs keep these tables without knowing them, so they are no other layout. */
export const ALLOWANCE_TABLES = `
CREATE TABLE IF NOT EXISTS allowance(one INTEGER PRIMARY KEY CHECK(one = 1), body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS allowance_use(
  redemption_id TEXT PRIMARY KEY,
  customer_id TEXT NOT NULL,
  points INTEGER NOT NULL,
  version INTEGER NOT NULL,
  seq INTEGER NOT NULL
) STRICT;
`;

/** Points a till took by its allowance. */
export interface AllowanceUse {
  readonly redemptionId: string;
  readonly customerId: string;
  readonly points: number;
  /** Of the allowance. */
  readonly version: number;
}

/**
 * What the till may take without the server, and what it took. It rests in the journal's file: a use is noted in the
 * step that writes the entry of its sale, so no power cut makes the till forget what it gave away.
 */
export class AllowanceStore {
  readonly #database: JournalDatabase;
  readonly #confirmedSeq: () => number;

  constructor(database: JournalDatabase, confirmedSeq: () => number) {
    this.#database = database;
    this.#confirmedSeq = confirmedSeq;
  }

  /** The allowance the server gave last. @throws StammkundeError JRN_CORRUPT */
  current(): Allowance | undefined {
    const [row] = this.#database.rows<{ body: string }>('SELECT body FROM allowance');
    if (row === undefined) return undefined;
    const parsed = Allowance.safeParse(JSON.parse(row.body));
    if (parsed.success) return parsed.data;
    throw new StammkundeError('JRN_CORRUPT', `${this.#database.file} holds an allowance of another form`, {
      cause: parsed.error,
    });
  }

  /** Puts a newer allowance in place, null for none. An older one is not taken. @throws StammkundeError DATA_DISK_FULL · DATA_UNWRITABLE */
  replace(allowance: Allowance | null): void {
    this.#database.transact(() => {
      const before = this.current();
      if (allowance === null) {
        this.#database.run('DELETE FROM allowance');
        return;
      }
      if (before !== undefined && allowance.version <= before.version) return;
      this.#database.run(
        'INSERT INTO allowance VALUES(1, ?) ON CONFLICT(one) DO UPDATE SET body = excluded.body',
        JSON.stringify(allowance),
      );
      // What the server has, it counts itself.
      this.#database.run('DELETE FROM allowance_use WHERE seq <= ?', this.#confirmedSeq());
    });
  }

  /**
   * Notes what a completed sale took. To be called in the step that writes its entry. One id pays for one sale; points
   * that were given out under an id noted before count all the same.
   */
  note({ redemptionId, customerId, points, version }: AllowanceUse, seq: number): void {
    this.#database.run(
      `INSERT INTO allowance_use VALUES(?, ?, ?, ?, ?)
       ON CONFLICT(redemption_id) DO UPDATE SET
         points = points + excluded.points, version = excluded.version, seq = excluded.seq`,
      redemptionId,
      customerId,
      points,
      version,
      seq,
    );
  }

  /** What the sale of an entry took. */
  usesAt(seq: number): readonly AllowanceUse[] {
    return this.#database.rows<AllowanceUse>(
      `SELECT redemption_id AS redemptionId, customer_id AS customerId, points, version
       FROM allowance_use WHERE seq = ?`,
      seq,
    );
  }

  /** Points taken under this allowance, or that the server does not know of: of one customer, and of all. */
  used(customerId: string, version: number): { readonly ofCustomer: number; readonly ofAll: number } {
    const [row] = this.#database.rows<{ ofCustomer: number | null; ofAll: number | null }>(
      `SELECT sum(CASE WHEN customer_id = ? THEN points ELSE 0 END) AS ofCustomer, sum(points) AS ofAll
       FROM allowance_use WHERE version = ? OR seq > ?`,
      customerId,
      version,
      this.#confirmedSeq(),
    );
    return { ofCustomer: row?.ofCustomer ?? 0, ofAll: row?.ofAll ?? 0 };
  }
}
