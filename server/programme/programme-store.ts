import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { OfferDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import { ADVISORY_LOCKS } from '../database/advisory-locks.ts';
import type { DatabaseTransaction, Queries } from '../database/database.ts';

/** `outdated`: this version or a later one stands already, with other content. */
export type PutProgramme = 'created' | 'exists' | 'outdated';

/** The programme in force, or undefined before the first. */
export async function currentProgramme(db: Queries): Promise<ProgrammeDocument | undefined> {
  const row = await db
    .selectFrom('programme')
    .select('document')
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.document;
}

/** The programmes a set of sales was calculated with, by version; those the server never had are missing. */
export async function programmesOf(
  db: Queries,
  versions: readonly number[],
): Promise<ReadonlyMap<number, ProgrammeDocument>> {
  if (versions.length === 0) return new Map();
  const rows = await db
    .selectFrom('programme')
    .select(['version', 'document'])
    .where('version', 'in', [...versions])
    .execute();
  return new Map(rows.map((row) => [row.version, row.document]));
}

/**
 * Puts a new version in force; every earlier one is kept, for sales calculated with it. Two put at once come one after
 * the other: tills go by the one that stands last in the feed.
 */
export async function putProgramme(
  tx: DatabaseTransaction,
  programme: ProgrammeDocument,
  at: Instant,
): Promise<PutProgramme> {
  await sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.programme}::bigint)`.execute(tx);
  const document = JSON.stringify(programme);
  const same = await sql`
    select from programme where version = ${programme.version} and document = ${document}::jsonb`.execute(tx);
  if (same.rows.length > 0) return 'exists';
  const { rows } = await sql`
    insert into programme (version, document, at)
    select ${programme.version}::integer, ${document}::jsonb, ${at}::bigint
    where not exists (select from programme where version >= ${programme.version}::integer)
    returning version`.execute(tx);
  return rows.length > 0 ? 'created' : 'outdated';
}

/** Offers as they were when sales were made. */
export interface OfferHistory {
  /**
   * The offers in force at an instant, whatever their dates, by their ids. An instant before the first offer is taken
   * for that of the first, one in the future for now: a till's clock may be wrong.
   */
  at(instant: Instant): readonly OfferDocument[];
}

/** Reads what is needed to say which offers were in force at `instants`. */
export async function readOfferHistory(
  db: Queries,
  instants: readonly Instant[],
  now: Instant,
): Promise<OfferHistory> {
  const { rows: bounds } = await sql<{ first: number | null }>`
    select min(at) as first from offer_version`.execute(db);
  const first = bounds[0]?.first ?? null;
  if (first === null || instants.length === 0) return { at: () => [] };
  const known = (instant: Instant): Instant => Math.max(first, Math.min(instant, now));
  let [from, to] = [Infinity, -Infinity];
  for (const instant of instants.map(known)) [from, to] = [Math.min(from, instant), Math.max(to, instant)];
  // Of each offer the version in force at the first instant, and those that came until the last.
  const { rows } = await sql<{ id: string; at: number; document: OfferDocument | null }>`
    select offer_id as id, at, document from (
      (select distinct on (offer_id) * from offer_version where at <= ${Math.floor(from)}::bigint
       order by offer_id, position desc)
      union all
      (select * from offer_version where at > ${Math.floor(from)}::bigint and at <= ${Math.floor(to)}::bigint)
    ) v order by position`.execute(db);
  const changes = [...new Set(rows.map((row) => row.at))].filter((at) => at > from);
  const byChanges = new Map<number, readonly OfferDocument[]>();
  return {
    at(instant) {
      const passed = changes.filter((at) => at <= known(instant)).length;
      const seen = byChanges.get(passed);
      if (seen !== undefined) return seen;
      const inForce = new Map<string, OfferDocument | null>();
      for (const row of rows) if (row.at <= known(instant)) inForce.set(row.id, row.document);
      const offers = [...inForce.values()].filter((document) => document !== null);
      byChanges.set(passed, offers);
      return offers;
    },
  };
}

/** Creates or replaces an offer. False when it stood so already, and nothing changed. */
export async function putOffer(tx: DatabaseTransaction, offer: OfferDocument, at: Instant): Promise<boolean> {
  const { rows } = await sql`
    insert into offer (id, document) values (${offer.id}, ${JSON.stringify(offer)}::jsonb)
    on conflict (id) do update set document = excluded.document, deleted = false
      where offer.deleted or offer.document <> excluded.document
    returning id`.execute(tx);
  if (rows.length > 0) await addVersion(tx, offer.id, offer, at);
  return rows.length > 0;
}

/** Withdraws an offer; tills forget it. False when there is no such offer. */
export async function withdrawOffer(tx: DatabaseTransaction, id: string, at: Instant): Promise<boolean> {
  const { rows } = await sql`
    update offer set deleted = true where id = ${id} and not deleted returning id`.execute(tx);
  if (rows.length > 0) await addVersion(tx, id, null, at);
  return rows.length > 0;
}

/** To be called with the offer's row locked, so that versions of one offer follow each other. */
async function addVersion(
  tx: DatabaseTransaction,
  id: string,
  document: OfferDocument | null,
  at: Instant,
): Promise<void> {
  const text = document === null ? null : JSON.stringify(document);
  // A clock set back must not put a version before the one it replaces.
  await sql`
    insert into offer_version (offer_id, at, document)
    select ${id}::text, greatest(${Math.floor(at)}::bigint, max(at)), ${text}::jsonb
    from offer_version where offer_id = ${id}`.execute(tx);
}
