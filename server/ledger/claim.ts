import { sql } from 'kysely';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import { ADVISORY_LOCKS } from '../database/advisory-locks.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { memberAccount, unclaimedAccount } from './accounts.ts';
import { moveAccounts } from './move-accounts.ts';

/**
 * Taken by who posts sales, before looking up whose a card is: until this transaction ends nobody is given a card, so
 * no points can go to an unclaimed account that has just been emptied. Taken as well by who moves cards to another key or
 * another part of the customer base. It comes before every other lock of a transaction: who has the other lock on
 * ownership waits for rows, and must not wait for somebody who waits for it.
 */
export async function holdOwnership(tx: DatabaseTransaction): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(${ADVISORY_LOCKS.ownership}::bigint)`.execute(tx);
}

/** Taken by who gives cards away or erases customers, before anything else: waits for the sales being posted. */
export async function changeOwnership(tx: DatabaseTransaction): Promise<void> {
  await sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.ownership}::bigint)`.execute(tx);
}

/** Moves what was earned with cards before they belonged to someone to their new owners. */
export async function claimPoints(
  tx: DatabaseTransaction,
  cards: readonly { readonly index: BlindIndex; readonly customerId: string }[],
  ports: { readonly clock: Clock; readonly random: Random },
): Promise<void> {
  const now = ports.clock.now();
  await claimPointsAs(tx, cards, now, () => uuidV7(now, ports.random));
}

/**
 * The same where something else gives the claims their ids. What was earned under older indexes of a card comes along,
 * all of it in one claim. Each earning keeps its own days, those it spent waiting among them.
 * @param newId a UUID for each claim, never used for another ledger transaction; one is asked for each card at most
 */
export async function claimPointsAs(
  tx: DatabaseTransaction,
  cards: readonly { readonly index: BlindIndex; readonly customerId: string }[],
  now: Instant,
  newId: () => string,
): Promise<void> {
  if (cards.length === 0) return;
  const indexes = cards.map(({ index }) => index);
  const { rows } = await sql<{ id: string; index: BlindIndex; balance: number }>`
    select a.id, w.index, a.balance
    from (select index, index as form from unnest(${indexes}::text[]) index
          union select f.index, f.previous from index_form f where f.index = any(${indexes}::text[])) w
    join ledger_account a on a.id = ${unclaimedAccount('')} || w.form
    where a.balance <> 0 or exists (select from point_lot l where l.account = a.id and l.account like 'unclaimed:%')
    order by a.id`.execute(tx);
  if (rows.length === 0) return;
  const ownerOf = new Map(cards.map(({ index, customerId }) => [index, customerId]));
  const claims = [...Map.groupBy(rows, ({ index }) => index)].flatMap(([index, accounts]) => {
    const customerId = ownerOf.get(index);
    if (customerId === undefined) return [];
    return [{ id: newId(), customerId, accounts: accounts.map(({ id }) => id) }];
  });
  await moveAccounts(
    tx,
    claims.map(({ id, customerId, accounts }) => ({
      id,
      key: `claim:${id}`,
      kind: 'claim' as const,
      at: now,
      from: accounts,
      to: memberAccount(customerId),
    })),
    now,
  );
}
