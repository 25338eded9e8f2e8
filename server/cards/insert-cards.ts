import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { IdentifierKind } from '../../sync/contract/credential.ts';
import type { DatabaseTransaction } from '../database/database.ts';

/** A card in the form in which it rests. */
export interface IssuedCard {
  readonly id: string;
  readonly index: BlindIndex;
  readonly kind: IdentifierKind;
  readonly scheme: string;
  readonly validUntil: Instant | null;
}

/** Whose the known ones of these cards are; null for a card that is known but belongs to nobody. */
export async function readCardOwners(
  tx: DatabaseTransaction,
  indexes: readonly BlindIndex[],
): Promise<ReadonlyMap<BlindIndex, string | null>> {
  if (indexes.length === 0) return new Map();
  const { rows } = await sql<{ index: BlindIndex; customer_id: string | null }>`
    select index, customer_id from credential where index = any(${indexes}::text[])`.execute(tx);
  return new Map(rows.map((row) => [row.index, row.customer_id]));
}

/** Gives cards to customers: cards nobody knew, or that belonged to nobody. The caller has made sure of that. */
export async function insertCards(
  tx: DatabaseTransaction,
  cards: readonly (IssuedCard & { readonly customerId: string })[],
  now: Instant,
): Promise<void> {
  if (cards.length === 0) return;
  await sql`
    insert into credential (id, index, kind, scheme, customer_id, valid_until, status, issued_at)
    select *, 'active', ${now}::bigint from unnest(
      ${cards.map(({ id }) => id)}::uuid[], ${cards.map(({ index }) => index)}::text[],
      ${cards.map(({ kind }) => kind)}::text[], ${cards.map(({ scheme }) => scheme)}::text[],
      ${cards.map(({ customerId }) => customerId)}::uuid[], ${cards.map(({ validUntil }) => validUntil)}::bigint[])
    on conflict (index) do update
      set customer_id = excluded.customer_id, valid_until = excluded.valid_until, issued_at = excluded.issued_at
      where credential.customer_id is null`.execute(tx);
}
