import { sql } from 'kysely';
import type { Clock, Instant } from '../../foundation/clock.ts';
import type { Random } from '../../foundation/random.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { adoptCards, insertCards, readCardOwners } from '../cards/insert-cards.ts';
import type { IssuedCard } from '../cards/insert-cards.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { changeOwnership, claimPoints } from '../ledger/claim.ts';
import type { NewCustomer } from './customer.ts';

/** A customer ready to be stored: with an id, and with cards in the form in which they rest. */
export interface PreparedCustomer {
  readonly id: string;
  readonly customer: NewCustomer;
  readonly cards: readonly IssuedCard[];
}

export type CustomerOutcome =
  | { readonly id: string; readonly verdict: 'created' }
  /** A customer of this id stands already and was left as it is. */
  | { readonly id: string; readonly verdict: 'exists' }
  | { readonly id: string; readonly verdict: 'refused'; readonly code: ErrorCode };

/**
 * Stores customers with their profiles and cards, with few statements however many there are. One that cannot be
 * stored is refused and keeps none of the others back.
 */
export async function insertCustomers(
  tx: DatabaseTransaction,
  prepared: readonly PreparedCustomer[],
  ports: { readonly clock: Clock; readonly random: Random },
): Promise<readonly CustomerOutcome[]> {
  const now = ports.clock.now();
  await changeOwnership(tx);
  const seen = await readExisting(
    tx,
    prepared.map(({ id }) => id),
  );
  const erased = await readErased(
    tx,
    prepared.flatMap(({ id, customer }) => (customer.afterErasure === true ? [] : [id])),
  );
  await adoptCards(
    tx,
    prepared.flatMap(({ cards }) => cards),
  );
  const owners = await readCardOwners(
    tx,
    prepared.flatMap(({ cards }) => cards.map(({ index }) => index)),
  );
  const taken = new Set([...owners].filter(([, owner]) => owner !== null).map(([index]) => index));
  const created: PreparedCustomer[] = [];
  const outcomes = prepared.map((candidate): CustomerOutcome => {
    const { id, cards } = candidate;
    if (seen.has(id)) return { id, verdict: 'exists' };
    if (erased.has(id)) return { id, verdict: 'refused', code: 'CUSTOMER_ERASED' };
    const indexes = new Set(cards.map(({ index }) => index));
    if (indexes.size < cards.length || cards.some(({ index }) => taken.has(index))) {
      return { id, verdict: 'refused', code: 'CARD_TAKEN' };
    }
    seen.add(id);
    for (const index of indexes) taken.add(index);
    created.push(candidate);
    return { id, verdict: 'created' };
  });
  await insertRows(tx, created, now);
  await insertProfiles(tx, created);
  const cards = created.flatMap(({ id, cards: own }) => own.map((card) => ({ ...card, customerId: id })));
  await insertCards(tx, cards, now);
  await claimPoints(tx, cards, ports);
  return outcomes;
}

async function readExisting(tx: DatabaseTransaction, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    select id from customer where id = any(${ids}::uuid[])`.execute(tx);
  return new Set(rows.map(({ id }) => id));
}

async function readErased(tx: DatabaseTransaction, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select customer_id as id from customer_erasure where customer_id = any(${ids}::uuid[])`.execute(tx);
  return new Set(rows.map(({ id }) => id));
}

async function insertRows(
  tx: DatabaseTransaction,
  created: readonly PreparedCustomer[],
  now: Instant,
): Promise<void> {
  if (created.length === 0) return;
  // Purposes travel as JSON: unnest cannot take apart an array of arrays of different lengths.
  await sql`
    insert into customer (id, status, tier, points_at, purposes, greeting, created_at)
    select id, 'active', tier, ${now}::bigint,
           array(select jsonb_array_elements_text(purposes::jsonb)), greeting, ${now}::bigint
    from unnest(
      ${created.map(({ id }) => id)}::uuid[], ${created.map(({ customer }) => customer.tier)}::text[],
      ${created.map(({ customer }) => JSON.stringify(customer.purposes))}::text[],
      ${created.map(({ customer }) => customer.greeting)}::text[]
    ) as n(id, tier, purposes, greeting)`.execute(tx);
}

async function insertProfiles(tx: DatabaseTransaction, created: readonly PreparedCustomer[]): Promise<void> {
  const withProfile = created.flatMap(({ id, customer }) =>
    customer.profile === undefined ? [] : [{ id, profile: customer.profile }],
  );
  if (withProfile.length === 0) return;
  const column = (name: keyof NonNullable<NewCustomer['profile']>): (string | null)[] =>
    withProfile.map(({ profile }) => profile[name] ?? null);
  await sql`
    insert into customer_profile (customer_id, given_name, family_name, birth_date, email, phone,
                                  street, postal_code, city, country)
    select * from unnest(
      ${withProfile.map(({ id }) => id)}::uuid[], ${column('givenName')}::text[], ${column('familyName')}::text[],
      ${column('birthDate')}::text[], ${column('email')}::text[], ${column('phone')}::text[],
      ${column('street')}::text[], ${column('postalCode')}::text[], ${column('city')}::text[],
      ${column('country')}::text[])`.execute(tx);
}
