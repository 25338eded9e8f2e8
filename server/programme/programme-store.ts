import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { OfferDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
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

/** Puts a new version in force; every earlier one is kept, for sales calculated with it. */
export async function putProgramme(
  tx: DatabaseTransaction,
  programme: ProgrammeDocument,
  at: Instant,
): Promise<PutProgramme> {
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

/** Offers that are not withdrawn, whatever their dates. */
export async function liveOffers(db: Queries): Promise<readonly OfferDocument[]> {
  const rows = await db
    .selectFrom('offer')
    .select('document')
    .where('deleted', '=', false)
    .orderBy('id')
    .execute();
  return rows.map((row) => row.document);
}

/** Creates or replaces an offer. False when it stood so already, and nothing changed. */
export async function putOffer(tx: DatabaseTransaction, offer: OfferDocument): Promise<boolean> {
  const { rows } = await sql`
    insert into offer (id, document) values (${offer.id}, ${JSON.stringify(offer)}::jsonb)
    on conflict (id) do update set document = excluded.document, deleted = false
      where offer.deleted or offer.document <> excluded.document
    returning id`.execute(tx);
  return rows.length > 0;
}

/** Withdraws an offer; tills forget it. False when there is no such offer. */
export async function withdrawOffer(tx: DatabaseTransaction, id: string): Promise<boolean> {
  const { rows } = await sql`
    update offer set deleted = true where id = ${id} and not deleted returning id`.execute(tx);
  return rows.length > 0;
}
