import { sql } from 'kysely';
import { ProgrammerError } from '../../foundation/errors.ts';
import type { Instant } from '../../foundation/clock.ts';
import type { Taken } from '../../sync/contract/programme/lots.ts';
import { ADVISORY_LOCKS } from '../database/advisory-locks.ts';
import type { DatabaseTransaction } from '../database/database.ts';

/** Points that are kept, or were taken, for a sale. */
export interface RedemptionRow {
  readonly id: string;
  readonly account: string;
  readonly saleId: string;
  readonly till: string;
  readonly points: number;
  readonly authorised: 'reservation' | 'allowance';
  readonly allowanceVersion: number | null;
  readonly state: 'reserved' | 'posted' | 'voided';
  readonly at: Instant;
  readonly expiresAt: Instant;
  readonly taken: readonly Taken[];
  readonly parts: readonly number[] | null;
  readonly owed: number;
  readonly flag: 'overdrawn' | 'after-void' | null;
}

const columns = sql`id, account, sale_id as "saleId", till, points, authorised,
  allowance_version as "allowanceVersion", state, at, expires_at as "expiresAt", taken, parts, owed, flag`;

/** Locks that one transaction may hold for redemptions, however many it decides about. */
const CLASSES = 1_024;

/**
 * Those of the redemptions that are known, by id. Until this transaction ends no other decides about any of the ids, those
 * nobody knows yet included. To be called before accounts of members are locked.
 */
export async function lockRedemptions(
  tx: DatabaseTransaction,
  ids: readonly string[],
): Promise<Map<string, RedemptionRow>> {
  // A statement of its own: the next one sees what was committed while this one waited.
  await sql`
    select pg_advisory_xact_lock(${ADVISORY_LOCKS.redemption}::integer, class) from (
      select distinct hashtext(id) & ${CLASSES - 1}::integer as class from unnest(${[...ids]}::text[]) as i(id)
      order by class) as classes`.execute(tx);
  const { rows } = await sql<RedemptionRow>`
    select ${columns} from redemption where id = any(${[...ids]}::uuid[]) order by id for update`.execute(tx);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Reservations whose time is over and that nobody else is at. */
export async function lockOverdue(
  tx: DatabaseTransaction,
  now: Instant,
  limit: number,
): Promise<readonly RedemptionRow[]> {
  const { rows } = await sql<RedemptionRow>`
    select ${columns} from redemption where state = 'reserved' and expires_at <= ${now}::bigint
    order by expires_at limit ${limit}::bigint for update skip locked`.execute(tx);
  return rows;
}

/** The redemption that paid for a sale, by the sale's id. */
export async function redemptionsOfSales(
  tx: DatabaseTransaction,
  saleIds: readonly string[],
): Promise<ReadonlyMap<string, RedemptionRow>> {
  const { rows } = await sql<RedemptionRow>`
    select ${columns} from redemption where sale_id = any(${[...saleIds]}::uuid[]) and state = 'posted'
    order by id for update`.execute(tx);
  return new Map(rows.map((row) => [row.saleId, row]));
}

/**
 * Puts a redemption in place of what was known of it.
 * @throws ProgrammerError for one that paid and would be kept again
 */
export async function putRedemption(tx: DatabaseTransaction, row: RedemptionRow): Promise<void> {
  const parts = row.parts === null ? null : `{${row.parts.join(',')}}`;
  const { rows } = await sql`
    insert into redemption (id, account, sale_id, till, points, authorised, allowance_version, state, at, expires_at,
                            taken, parts, owed, flag)
    values (${row.id}::uuid, ${row.account}, ${row.saleId}::uuid, ${row.till}, ${row.points}::bigint,
            ${row.authorised}, ${row.allowanceVersion}::bigint, ${row.state}, ${row.at}::bigint,
            ${row.expiresAt}::bigint, ${JSON.stringify(row.taken)}::text::jsonb, ${parts}::text::integer[],
            ${row.owed}::bigint, ${row.flag})
    on conflict (id) do update set account = excluded.account, sale_id = excluded.sale_id, points = excluded.points,
      authorised = excluded.authorised, allowance_version = excluded.allowance_version, state = excluded.state,
      at = excluded.at, taken = excluded.taken, parts = excluded.parts, owed = excluded.owed,
      flag = excluded.flag
    where redemption.state = 'reserved' or excluded.state <> 'reserved' returning id`.execute(tx);
  if (rows.length === 0) throw new ProgrammerError(`redemption ${row.id} is over and would be kept again`);
}
