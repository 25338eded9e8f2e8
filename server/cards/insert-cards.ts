import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { IdentifierKind } from '../../sync/contract/credential.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { readFloor, reKey, stepsBetween } from '../identifiers/re-key.ts';

/** A card in the form in which it rests. */
export interface IssuedCard {
  readonly id: string;
  readonly index: BlindIndex;
  readonly kind: IdentifierKind;
  readonly scheme: string;
  readonly validUntil: Instant | null;
  /** Under how many keys `index` was made; 1 when absent. */
  readonly keyVersion?: number;
  /** The same number's indexes of the versions before, oldest first; none when absent. */
  readonly olderForms?: readonly BlindIndex[];
}

/**
 * Has cards that stand under an older index stand under the one given. To be called before anything is asked about
 * cards of which the number is known.
 * @throws StammkundeError KEY_OUTDATED when the numbers were indexed without a key that was added since: such cards
 *   would be given out beside what is known of them under the newest index, the points that wait there above all
 */
export async function adoptCards(tx: DatabaseTransaction, cards: readonly IssuedCard[]): Promise<void> {
  await assertNewest(tx, cards);
  await reKey(
    tx,
    cards.flatMap(({ index, keyVersion = 1, olderForms = [] }) =>
      stepsBetween([...olderForms, index], keyVersion),
    ),
  );
}

async function assertNewest(tx: DatabaseTransaction, cards: readonly IssuedCard[]): Promise<void> {
  if (cards.length === 0) return;
  const row = await tx
    .selectFrom('server_meta')
    .select('value')
    .where('name', '=', 'identifier_keys')
    .executeTakeFirst();
  const added = row === undefined ? 0 : row.value.split(' ').length;
  if (cards.some(({ keyVersion = 1 }) => keyVersion < added)) {
    throw new StammkundeError('KEY_OUTDATED', `this process lacks the last of ${added} identifier keys`);
  }
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
  // Where a card stands under a newer index than is known here, the row under this one only follows it.
  await sql`
    update credential main
    set customer_id = given.customer_id, valid_until = given.valid_until, issued_at = ${now}::bigint
    from unnest(
      ${cards.map(({ index }) => index)}::text[], ${cards.map(({ customerId }) => customerId)}::uuid[],
      ${cards.map(({ validUntil }) => validUntil)}::bigint[]) as given(index, customer_id, valid_until)
    join credential older on older.index = given.index
    where main.id = older.alias_of and main.customer_id is null`.execute(tx);
  await sql`
    insert into credential (id, index, kind, scheme, customer_id, valid_until, key_version, status, issued_at)
    select *, 'active', ${now}::bigint from unnest(
      ${cards.map(({ id }) => id)}::uuid[], ${cards.map(({ index }) => index)}::text[],
      ${cards.map(({ kind }) => kind)}::text[], ${cards.map(({ scheme }) => scheme)}::text[],
      ${cards.map(({ customerId }) => customerId)}::uuid[], ${cards.map(({ validUntil }) => validUntil)}::bigint[],
      ${cards.map(({ keyVersion = 1 }) => keyVersion)}::smallint[])
    on conflict (index) do update
      set customer_id = excluded.customer_id, valid_until = excluded.valid_until, issued_at = excluded.issued_at
      where credential.customer_id is null and credential.alias_of is null`.execute(tx);
  await insertOlderForms(tx, cards);
}

/** While a rotation lasts, for the tills that have only the older keys. */
async function insertOlderForms(tx: DatabaseTransaction, cards: readonly IssuedCard[]): Promise<void> {
  const older = cards.flatMap(({ index, keyVersion = 1, olderForms = [] }) =>
    olderForms.map((form, i) => ({ index, form, version: keyVersion - olderForms.length + i })),
  );
  if (older.length === 0) return;
  const floor = await readFloor(tx);
  const needed = older.filter(({ version }) => version >= floor);
  if (needed.length === 0) return;
  await sql`
    insert into credential (id, index, kind, scheme, customer_id, status, valid_until, issued_at, public_key, feed_part,
                            key_version, alias_of)
    select gen_random_uuid(), p.form, c.kind, c.scheme, c.customer_id, c.status, c.valid_until, c.issued_at,
           c.public_key, c.feed_part, p.version, c.id
    from unnest(${needed.map(({ index }) => index)}::text[], ${needed.map(({ form }) => form)}::text[],
                ${needed.map(({ version }) => version)}::smallint[]) p(index, form, version)
    join credential c on c.index = p.index
    on conflict (index) do nothing`.execute(tx);
}
