import { findPaymentCard } from '../../sync/contract/payment-card.ts';
import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { JournalEntry, JournalOwner } from '../../sync/contract/journal-entry.ts';
import type { Receipt } from '../../sync/contract/messages.ts';
import type { DatabaseTransaction, Queries } from '../database/database.ts';
import { REENTERED, placeId } from './chain.ts';
import type { KnownJournal, PlacedEntry, StandingEntry } from './chain.ts';

/** Quarantined entries kept per journal; a till that goes on contradicting itself is logged, not stored. */
const QUARANTINE_MAX = 1_000;
/** Ranges a receipt may list. */
const HOLES_MAX = 100;
/** Rows beyond the first hole looked at for a receipt. */
const HOLES_LOOKED_AT = 10_000;

export interface JournalRow {
  readonly owner: JournalOwner;
  readonly entry: JournalEntry;
  readonly verdict: 'created' | 'refused';
  readonly code: string | null;
}

export interface QuarantineRow {
  readonly owner: JournalOwner;
  readonly entry: JournalEntry;
  readonly code: string;
}

/** One word for a journal, to use as a key. */
export function journalKey(owner: JournalOwner): string {
  return `${owner.till}/${owner.incarnation}`;
}

/**
 * Makes this transaction the only one that writes to these journals until it ends, and says up to where each is
 * contiguous.
 */
export async function lockJournals(
  tx: DatabaseTransaction,
  owners: readonly JournalOwner[],
  now: Instant,
): Promise<ReadonlyMap<string, number>> {
  const tills = owners.map((owner) => owner.till);
  const incarnations = owners.map((owner) => owner.incarnation);
  await sql`
    insert into till_progress (till, incarnation, updated_at)
    select till, incarnation, ${now}::bigint from unnest(${tills}::text[], ${incarnations}::uuid[]) as o(till, incarnation)
    order by till, incarnation
    on conflict do nothing`.execute(tx);
  const { rows } = await sql<{ till: string; incarnation: string; contiguous: number }>`
    select p.till, p.incarnation, p.contiguous from till_progress p
    join unnest(${tills}::text[], ${incarnations}::uuid[]) as o(till, incarnation)
      on o.till = p.till and o.incarnation = p.incarnation
    order by p.till, p.incarnation
    for update of p`.execute(tx);
  return new Map(rows.map((row) => [journalKey(row), row.contiguous]));
}

/** What stands in the ranges [from − 1, to + 1] of journals, and what lies in quarantine at from − 1, by journal. */
export async function readStanding(
  tx: DatabaseTransaction,
  ranges: readonly { readonly owner: JournalOwner; readonly from: number; readonly to: number }[],
): Promise<ReadonlyMap<string, KnownJournal>> {
  const looked = sql`unnest(
      ${ranges.map((range) => range.owner.till)}::text[], ${ranges.map((range) => range.owner.incarnation)}::uuid[],
      ${ranges.map((range) => range.from - 1)}::bigint[], ${ranges.map((range) => range.to + 1)}::bigint[]
    ) as r(till, incarnation, low, high)`;
  const { rows } = await sql<StandingEntry & JournalOwner & { seq: number }>`
    select distinct j.till, j.incarnation, j.seq, j.hash, j.prev_hash as "prevHash", j.verdict, j.code
    from ${looked}
    join till_journal j on j.till = r.till and j.incarnation = r.incarnation and j.seq between r.low and r.high
  `.execute(tx);
  const before = await sql<JournalOwner & { hash: string }>`
    select q.till, q.incarnation, q.hash from ${looked}
    join journal_quarantine q on q.till = r.till and q.incarnation = r.incarnation and q.seq = r.low
  `.execute(tx);
  const standing = new Map<string, KnownJournal>();
  for (const { owner } of ranges)
    standing.set(journalKey(owner), { entries: new Map(), contradicting: new Set() });
  for (const row of rows) standing.get(journalKey(row))?.entries.set(row.seq, row);
  for (const row of before.rows) standing.get(journalKey(row))?.contradicting.add(row.hash);
  return standing;
}

/** Where those of `ids` stand that some journal holds already. */
export async function readTakenIds(
  tx: DatabaseTransaction,
  ids: readonly string[],
): Promise<ReadonlyMap<string, PlacedEntry>> {
  const { rows } = await sql<PlacedEntry & { id: string }>`
    select id, seq, at, prev_hash as "prevHash", hash from till_journal where id = any(${ids}::uuid[])`.execute(
    tx,
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Adds entries; each has been held against what stands, under the lock. */
export async function insertJournal(
  tx: DatabaseTransaction,
  rows: readonly JournalRow[],
  receivedAt: Instant,
): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    insert into till_journal (till, incarnation, seq, id, at, prev_hash, hash, body, verdict, code, received_at)
    select *, ${receivedAt}::bigint from unnest(
      ${rows.map(({ owner }) => owner.till)}::text[], ${rows.map(({ owner }) => owner.incarnation)}::uuid[],
      ${rows.map(({ entry }) => entry.seq)}::bigint[], ${rows.map(restingId)}::uuid[],
      ${rows.map(({ entry }) => entry.at)}::bigint[], ${rows.map(({ entry }) => entry.prevHash)}::text[],
      ${rows.map(({ entry }) => entry.hash)}::text[], ${rows.map(restingBody)}::text[],
      ${rows.map(({ verdict }) => verdict)}::text[], ${rows.map(({ code }) => code)}::text[])`.execute(tx);
}

/** Keeps what contradicts the journal, beside it. The same contradiction twice is kept once. */
export async function quarantine(
  tx: DatabaseTransaction,
  rows: readonly QuarantineRow[],
  receivedAt: Instant,
): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    insert into journal_quarantine (till, incarnation, seq, hash, id, at, prev_hash, body, code, received_at)
    select q.*, ${receivedAt}::bigint from unnest(
      ${rows.map(({ owner }) => owner.till)}::text[], ${rows.map(({ owner }) => owner.incarnation)}::uuid[],
      ${rows.map(({ entry }) => entry.seq)}::bigint[], ${rows.map(({ entry }) => entry.hash)}::text[],
      ${rows.map(({ entry }) => entry.id)}::uuid[], ${rows.map(({ entry }) => entry.at)}::bigint[],
      ${rows.map(({ entry }) => entry.prevHash)}::text[], ${rows.map(restingBody)}::text[],
      ${rows.map(({ code }) => code)}::text[]
    ) as q(till, incarnation, seq, hash, id, at, prev_hash, body, code)
    where (select count(*) from journal_quarantine k where k.till = q.till and k.incarnation = q.incarnation)
      < ${QUARANTINE_MAX}::bigint
    on conflict do nothing`.execute(tx);
}

/** Moves the contiguous marks of journals as far as their rows reach without a hole. */
export async function advanceProgress(
  tx: DatabaseTransaction,
  owners: readonly JournalOwner[],
  now: Instant,
): Promise<void> {
  if (owners.length === 0) return;
  await sql`
    update till_progress p set updated_at = ${now}::bigint,
      highest = greatest(p.highest, r.highest), contiguous = greatest(p.contiguous, r.contiguous)
    from (
      select j.till, j.incarnation, max(j.seq) as highest,
             max(j.seq) filter (where j.seq - j.position = j.contiguous) as contiguous
      from (
        select e.till, e.incarnation, e.seq, q.contiguous,
               row_number() over (partition by e.till, e.incarnation order by e.seq) as position
        from unnest(
          ${owners.map((owner) => owner.till)}::text[], ${owners.map((owner) => owner.incarnation)}::uuid[]
        ) as o(till, incarnation)
        join till_progress q on q.till = o.till and q.incarnation = o.incarnation
        join till_journal e on e.till = o.till and e.incarnation = o.incarnation and e.seq > q.contiguous
      ) j group by j.till, j.incarnation
    ) r where p.till = r.till and p.incarnation = r.incarnation`.execute(tx);
}

/** What is committed of a journal. */
export type Standing = Pick<Receipt, 'contiguous' | 'hash' | 'holes'>;

/** Reads from the database what a receipt says, by journal. Call it after the commit, on its own. */
export async function readCommitted(
  db: Queries,
  owners: readonly JournalOwner[],
): Promise<ReadonlyMap<string, Standing>> {
  const { rows } = await sql<JournalOwner & { contiguous: number; highest: number; hash: string | null }>`
    select p.till, p.incarnation, p.contiguous, p.highest, j.hash
    from unnest(
      ${owners.map((owner) => owner.till)}::text[], ${owners.map((owner) => owner.incarnation)}::uuid[]
    ) as o(till, incarnation)
    join till_progress p on p.till = o.till and p.incarnation = o.incarnation
    left join till_journal j on j.till = p.till and j.incarnation = p.incarnation and j.seq = p.contiguous
  `.execute(db);
  const committed = new Map<string, Standing>();
  for (const { till, incarnation, contiguous, highest, hash } of rows) {
    const holes = highest > contiguous ? await readHoles(db, { till, incarnation }, contiguous) : [];
    committed.set(journalKey({ till, incarnation }), { contiguous, hash, holes });
  }
  return committed;
}

async function readHoles(db: Queries, owner: JournalOwner, contiguous: number): Promise<[number, number][]> {
  const { rows } = await sql<{ low: number; high: number }>`
    select low, high from (
      select seq + 1 as low, lead(seq) over (order by seq) - 1 as high from (
        select ${contiguous}::bigint as seq
        union all
        (select seq from till_journal
         where till = ${owner.till} and incarnation = ${owner.incarnation}::uuid and seq > ${contiguous}::bigint
         order by seq limit ${HOLES_LOOKED_AT}::bigint)
      ) present
    ) gaps where high >= low order by low limit ${HOLES_MAX}::bigint`.execute(db);
  return rows.map(({ low, high }) => [low, high]);
}

/** The id as it is stored: that of the place where the entry itself stands elsewhere. */
function restingId({ owner, entry, code }: JournalRow): string {
  return code === REENTERED ? placeId(owner, entry.seq, entry.hash) : entry.id;
}

/**
 * The body as it is stored. What the ledger did not take may hold anything; with a payment card number in it, its hash
 * and its place are kept and its text is not. What stands elsewhere is kept there.
 */
function restingBody({
  code,
  entry,
}: {
  readonly code: string | null;
  readonly entry: JournalEntry;
}): string {
  if (code === REENTERED) return '';
  return code !== null && findPaymentCard(entry.body) !== undefined ? '' : entry.body;
}
