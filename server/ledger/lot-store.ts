import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { PointsLife } from '../../sync/contract/programme/calendar.ts';
import type { Holdings, Lot } from '../../sync/contract/programme/lots.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { ISSUED, isUnclaimed } from './accounts.ts';

/** Expired points can still pay for what a till sold before they expired, for as long as tills keep their entries. */
const EXPIRED_KEPT_MS = 40 * 86_400_000;

/**
 * Makes this transaction the only one that changes what these accounts hold. Whoever locks several accounts in several
 * steps, or will need {@link ISSUED} later, takes that one first: so no two wait for each other.
 */
export async function lockAccounts(tx: DatabaseTransaction, accounts: readonly string[]): Promise<void> {
  const sorted = [...new Set(accounts)].sort();
  if (sorted.length === 0) return;
  await sql`
    insert into ledger_account (id, balance) select id, 0 from unnest(${sorted}::text[]) as a(id)
    order by id on conflict do nothing`.execute(tx);
  await sql`
    select id from ledger_account where id = any(${sorted}::text[]) order by id for update`.execute(tx);
}

/** See {@link lockAccounts}. */
export async function lockIssued(tx: DatabaseTransaction): Promise<void> {
  await lockAccounts(tx, [ISSUED]);
}

interface LotRow {
  readonly account: string;
  readonly id: string;
  readonly earned_at: number;
  readonly vests_at: number;
  readonly expires_at: number | null;
  readonly points: number;
  readonly remaining: number;
  readonly expired: number;
  readonly pending: boolean;
}

/**
 * What locked accounts hold. Points that wait for an owner neither vest nor expire before they have one.
 * @param lotIds lots to bring along even if they are empty
 */
export async function readHoldings(
  tx: DatabaseTransaction,
  accounts: readonly string[],
  lotIds: readonly string[],
  now: Instant,
): Promise<Map<string, Holdings>> {
  const list = [...new Set(accounts)];
  if (list.length === 0) return new Map();
  const { rows: balances } = await sql<{ id: string; balance: number }>`
    select id, balance from ledger_account where id = any(${list}::text[])`.execute(tx);
  const { rows } = await sql<LotRow>`
    select account, id, earned_at, vests_at, expires_at, points, remaining, expired, pending from point_lot
    where account = any(${list}::text[]) and (remaining > 0 or expired > 0)
      and (remaining > 0 or expires_at > ${now - EXPIRED_KEPT_MS}::bigint)
    union
    select account, id, earned_at, vests_at, expires_at, points, remaining, expired, pending from point_lot
    where id = any(${[...lotIds]}::uuid[]) and account = any(${list}::text[])`.execute(tx);
  const owed = new Map(balances.map(({ id, balance }) => [id, Math.max(0, 0 - balance)]));
  const byAccount = Map.groupBy(rows, ({ account }) => account);
  return new Map(
    list.map((account) => [
      account,
      { lots: (byAccount.get(account) ?? []).map(lotOf), owed: owed.get(account) ?? 0 },
    ]),
  );
}

function lotOf(row: LotRow): Lot {
  const { account, id, points, remaining, expired, pending } = row;
  const life = { earnedAt: row.earned_at, vestsAt: row.vests_at, expiresAt: row.expires_at };
  return isUnclaimed(account)
    ? { id, points, remaining, expired, pending: false, ...life, expiresAt: null }
    : { id, points, remaining, expired, pending, ...life };
}

/** Adds lots. */
export async function insertLots(
  tx: DatabaseTransaction,
  lots: readonly { readonly account: string; readonly lot: Lot }[],
): Promise<void> {
  if (lots.length === 0) return;
  await sql`
    insert into point_lot (id, account, earned_at, vests_at, expires_at, points, remaining, expired, pending)
    select * from unnest(
      ${lots.map(({ lot }) => lot.id)}::uuid[], ${lots.map(({ account }) => account)}::text[],
      ${lots.map(({ lot }) => lot.earnedAt)}::bigint[], ${lots.map(({ lot }) => lot.vestsAt)}::bigint[],
      ${lots.map(({ lot }) => lot.expiresAt)}::bigint[], ${lots.map(({ lot }) => lot.points)}::bigint[],
      ${lots.map(({ lot }) => lot.remaining)}::bigint[], ${lots.map(({ lot }) => lot.expired)}::bigint[],
      ${lots.map(({ lot }) => lot.pending)}::boolean[])`.execute(tx);
}

/**
 * Writes what changed between two states of an account: new lots, and what is left of others.
 * @param lives the days new lots have, by their ids, where they are others than in `changes`
 */
export async function writeHoldings(
  tx: DatabaseTransaction,
  changes: readonly { readonly account: string; readonly before: Holdings; readonly after: Holdings }[],
  lives: ReadonlyMap<string, PointsLife> = new Map(),
): Promise<void> {
  const made: { account: string; lot: Lot }[] = [];
  const changed: Lot[] = [];
  for (const { account, before, after } of changes) {
    const known = new Map(before.lots.map((lot) => [lot.id, lot]));
    for (const lot of after.lots) {
      const was = known.get(lot.id);
      if (was === undefined) made.push({ account, lot: { ...lot, ...lives.get(lot.id) } });
      else if (was !== lot) changed.push(lot);
    }
  }
  await insertLots(tx, made);
  if (changed.length === 0) return;
  await sql`
    update point_lot l set remaining = n.remaining, expired = n.expired, pending = n.pending
    from unnest(
      ${changed.map(({ id }) => id)}::uuid[], ${changed.map(({ remaining }) => remaining)}::bigint[],
      ${changed.map(({ expired }) => expired)}::bigint[], ${changed.map(({ pending }) => pending)}::boolean[]
    ) as n(id, remaining, expired, pending)
    where l.id = n.id`.execute(tx);
}

/** All lots of accounts, empty ones too, with the days they really have. */
export async function readAllLots(
  tx: DatabaseTransaction,
  accounts: readonly string[],
): Promise<readonly { readonly account: string; readonly lot: Lot }[]> {
  const { rows } = await sql<LotRow>`
    select account, id, earned_at, vests_at, expires_at, points, remaining, expired, pending from point_lot
    where account = any(${[...accounts]}::text[])`.execute(tx);
  return rows.map((row) => {
    const { account, id, points, remaining, expired, pending } = row;
    const life = { earnedAt: row.earned_at, vestsAt: row.vests_at, expiresAt: row.expires_at };
    return { account, lot: { id, points, remaining, expired, pending, ...life } };
  });
}

/** Puts lots on other accounts. */
export async function moveLots(
  tx: DatabaseTransaction,
  lots: readonly { readonly account: string; readonly lot: Lot }[],
): Promise<void> {
  if (lots.length === 0) return;
  await sql`
    update point_lot l set account = n.account, pending = n.pending
    from unnest(
      ${lots.map(({ lot }) => lot.id)}::uuid[], ${lots.map(({ account }) => account)}::text[],
      ${lots.map(({ lot }) => lot.pending)}::boolean[]) as n(id, account, pending)
    where l.id = n.id`.execute(tx);
}
