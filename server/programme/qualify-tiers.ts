// Who is in which tier, by what they earned:
//
//   day begins, or rules change ─▶ walk: all customers, by id ──end──▶ follow: customers that changed, as the feed has them
//                                     ▲──────────────── the next day ───────────────┘
//
// Every slice is a transaction: what was interrupted goes on where it was, and what is looked at again stays as it is.
import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { beginningOfWindow } from '../../sync/contract/programme/calendar.ts';
import { qualifiedTier } from '../../sync/contract/programme/tiers.ts';
import type { QualifyingPoints } from '../../sync/contract/programme/tiers.ts';
import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { memberAccount } from '../ledger/accounts.ts';
import { currentProgramme } from './programme-store.ts';

/** Customers looked at in one transaction. */
const SLICE_MAX = 200;

interface Run {
  readonly programme: number;
  readonly day: Instant;
  /** The customer the walk is at; null: it is over. */
  readonly walked: string | null;
  readonly xid: string;
  readonly seq: number;
}

interface Candidate {
  readonly id: string;
  readonly tier: string;
  readonly xid: string;
  readonly seq: number;
}

const NOBODY = '00000000-0000-0000-0000-000000000000';

/**
 * Puts some customers into the tier they qualify for; one of several servers does at a time.
 * @returns how many tiers changed, and whether there is more to look at
 */
export async function qualifyTiers(
  tx: DatabaseTransaction,
  now: Instant,
  slice: number = SLICE_MAX,
): Promise<{ readonly changed: number; readonly more: boolean }> {
  const programme = await currentProgramme(tx);
  if (programme === undefined || programme.tiers.every(({ qualify }) => qualify === undefined)) {
    return { changed: 0, more: false };
  }
  const { rows } = await sql<Run>`
    select programme, day, walked, xid::text as xid, seq from tier_run for update skip locked`.execute(tx);
  const [before] = rows;
  if (before === undefined) return { changed: 0, more: false };
  // A window of no month begins with today.
  const day = beginningOfWindow(now, 0, zoneOf(programme));
  const isNew = day > before.day || programme.version !== before.programme;
  const run = isNew ? { ...before, programme: programme.version, day, walked: NOBODY } : before;
  const candidates =
    run.walked === null ? await changedSince(tx, run, slice) : await after(tx, run.walked, slice);
  const changed = await putTiers(tx, programme, candidates, now);
  const last = candidates.at(-1);
  const more = candidates.length === slice;
  const walked = run.walked === null || !more ? null : (last?.id ?? null);
  const { xid, seq } = run.walked === null && last !== undefined ? last : run;
  await sql`
    update tier_run set programme = ${run.programme}::bigint, day = ${run.day}::bigint, walked = ${walked}::uuid,
      xid = ${xid}::text::xid8, seq = ${seq}::bigint`.execute(tx);
  return { changed, more: more || run.walked !== null };
}

async function after(tx: DatabaseTransaction, id: string, slice: number): Promise<readonly Candidate[]> {
  const { rows } = await sql<Candidate>`
    select id, tier, xid::text as xid, seq from customer where id > ${id}::uuid
    order by id limit ${slice}::bigint`.execute(tx);
  return rows;
}

/** As the feed pages: what a running transaction may still put before them is waited for. */
async function changedSince(
  tx: DatabaseTransaction,
  { xid, seq }: Run,
  slice: number,
): Promise<readonly Candidate[]> {
  const { rows } = await sql<Candidate>`
    select id, tier, xid::text as xid, seq from customer
    where (xid, seq) > (${xid}::text::xid8, ${seq}::bigint) and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by customer.xid, customer.seq limit ${slice}::bigint`.execute(tx);
  return rows;
}

async function putTiers(
  tx: DatabaseTransaction,
  programme: ProgrammeDocument,
  candidates: readonly Candidate[],
  now: Instant,
): Promise<number> {
  const earned = await readEarned(tx, programme, candidates, now);
  const moved = candidates.flatMap(({ id, tier }) => {
    const next = tierOf(programme, tier, earned.get(memberAccount(id)) ?? [], now);
    return next === tier ? [] : [{ id, was: tier, tier: next }];
  });
  if (moved.length === 0) return 0;
  const sorted = moved.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  // Whoever was given another tier meanwhile is looked at again, for their row changed.
  const { rows } = await sql`
    update customer c set tier = n.tier
    from unnest(${sorted.map(({ id }) => id)}::uuid[], ${sorted.map(({ was }) => was)}::text[],
                ${sorted.map(({ tier }) => tier)}::text[]) as n(id, was, tier)
    where c.id = n.id and c.status <> 'closed' and c.tier = n.was returning c.id`.execute(tx);
  return rows.length;
}

/**
 * The tier somebody is in who earned this. Who was given a tier that nobody qualifies for keeps it; who qualifies for
 * none is where everybody begins.
 */
function tierOf(
  programme: Pick<ProgrammeDocument, 'tiers' | 'points'>,
  tier: string,
  earned: readonly QualifyingPoints[],
  now: Instant,
): string {
  const first = programme.tiers.find(({ qualify }) => qualify === undefined)?.id;
  const standing = programme.tiers.find(({ id }) => id === tier);
  if (standing !== undefined && standing.qualify === undefined && standing.id !== first) return tier;
  return qualifiedTier(programme.tiers, earned, now, zoneOf(programme)) ?? first ?? tier;
}

/** By account what sales and claimed receipts brought, less what came back of them. */
async function readEarned(
  tx: DatabaseTransaction,
  programme: ProgrammeDocument,
  candidates: readonly Candidate[],
  now: Instant,
): Promise<ReadonlyMap<string, readonly QualifyingPoints[]>> {
  const months = Math.max(...programme.tiers.map(({ qualify }) => qualify?.windowMonths ?? 0));
  const from = beginningOfWindow(now, months, zoneOf(programme));
  const { rows } = await sql<{ account: string; at: number; points: number }>`
    select l.account, l.earned_at as at, l.points - coalesce((
        select sum(coalesce(r.points, (
          select sum(p.points) from ledger_posting p
          where p.transaction_id = r.entry_id and p.account_id = 'issued' and p.points > 0), 0))
        from sale_return r where r.sale_id = substr(t.idempotency_key, 6)::uuid and r.state = 'posted'), 0)::bigint as points
    from point_lot l join ledger_transaction t on t.id = l.id
    where l.account = any(${candidates.map(({ id }) => memberAccount(id))}::text[])
      and l.earned_at >= ${from}::bigint and t.kind in ('sale', 'late')`.execute(tx);
  const earned = new Map<string, QualifyingPoints[]>();
  for (const { account, at, points } of rows) {
    const known = earned.get(account);
    if (known === undefined) earned.set(account, [{ at, points }]);
    else known.push({ at, points });
  }
  return earned;
}

function zoneOf({ points }: Pick<ProgrammeDocument, 'points'>): string {
  return points?.timeZone ?? 'UTC';
}
