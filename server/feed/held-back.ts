import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';

/** From here on it is told: longer than any statement of a server may take, so somebody else's transaction stands still. */
export const HELD_BACK_TOLD_MS = 30_000;
/** Looks that are kept: every two seconds for a quarter of an hour; of a longer time ever fewer. */
const LOOKS_MAX = 512;

/** The transactions of the cluster: none below `oldest` still runs, none from `next` on had ended. */
export interface Transactions {
  readonly oldest: bigint;
  readonly next: bigint;
}

export async function readTransactions(db: Queries): Promise<Transactions> {
  const { rows } = await sql<{ oldest: string; next: string }>`
    select pg_snapshot_xmin(s)::text as oldest, pg_snapshot_xmax(s)::text as next
    from pg_current_snapshot() s`.execute(db);
  return { oldest: BigInt(rows[0]?.oldest ?? 0), next: BigInt(rows[0]?.next ?? 0) };
}

/**
 * How old what tills are given is. The feed ends before the oldest transaction that still runs, in whatever database of
 * the cluster and whoever began it; what is committed after that waits. All that was committed by an earlier look is given
 * when no transaction that had not ended then still runs now.
 */
export class HeldBack {
  /** The first is the last one that saw nothing that is held back now, or the first ever. */
  #looks: { readonly atMs: number; readonly next: bigint }[] = [];

  /** @param atMs monotonic time before they were read */
  saw(atMs: number, { oldest, next }: Transactions): void {
    this.#looks.push({ atMs, next });
    const complete = this.#looks.findLastIndex((look) => look.next <= oldest);
    if (complete > 0) this.#looks.splice(0, complete);
    // Fewer looks make the age greater than it is, never less.
    if (this.#looks.length > LOOKS_MAX) this.#looks = this.#looks.filter((_, i) => i % 2 === 0);
  }

  /** Everything that was committed this long ago is given, ms; of before the first look nothing is known. */
  ageMs(nowMs: number): number {
    return nowMs - (this.#looks[0]?.atMs ?? nowMs);
  }
}

/** Who may be at it, as far as the database tells its user: for whoever has to end it. */
export async function readHolder(db: Queries): Promise<Readonly<Record<string, string | number>>> {
  const { rows } = await sql<{ pid: number; name: string; since: string }>`
    select pid, datname::text as name, xact_start::text as since from pg_stat_activity
    where backend_xid is not null order by age(backend_xid) desc limit 1`.execute(db);
  const prepared = await sql<{ name: string; since: string }>`
    select gid as name, prepared::text as since from pg_prepared_xacts
    order by age(transaction) desc limit 1`.execute(db);
  const [running, waiting] = [rows[0], prepared.rows[0]];
  return {
    ...(running === undefined ? {} : { pid: running.pid, database: running.name, since: running.since }),
    ...(waiting === undefined ? {} : { prepared: waiting.name, preparedAt: waiting.since }),
  };
}
