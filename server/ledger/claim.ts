import { sql } from 'kysely';
import type { Clock, Instant } from '../../foundation/clock.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import { points } from '../../sync/contract/points.ts';
import { ADVISORY_LOCKS } from '../database/advisory-locks.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { memberAccount, unclaimedAccount } from './accounts.ts';
import { post } from './post.ts';
import type { Posting } from './post.ts';

/**
 * Taken by who posts sales, before looking up whose a card is: until this transaction ends nobody is given a card, so
 * no points can go to an unclaimed account that has just been emptied.
 */
export async function holdOwnership(tx: DatabaseTransaction): Promise<void> {
  await sql`select pg_advisory_xact_lock_shared(${ADVISORY_LOCKS.ownership}::bigint)`.execute(tx);
}

/** Taken by who gives cards away, before doing so: waits for the sales being posted. */
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
 * all of it in one claim.
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
    where a.balance <> 0
    order by a.id for update of a`.execute(tx);
  const ownerOf = new Map(cards.map(({ index, customerId }) => [index, customerId]));
  const byCard = Map.groupBy(rows, ({ index }) => index);
  await post(
    tx,
    [...byCard].flatMap(([index, accounts]) => {
      const owner = ownerOf.get(index);
      if (owner === undefined) return [];
      const id = newId();
      return [
        {
          id,
          key: `claim:${id}`,
          kind: 'claim' as const,
          at: now,
          postings: gathered(accounts, memberAccount(owner)),
        },
      ];
    }),
    now,
  );
}

/** All that is on some accounts to another. */
function gathered(
  accounts: readonly { readonly id: string; readonly balance: number }[],
  to: string,
): readonly Posting[] {
  const total = accounts.reduce((sum, { balance }) => sum + balance, 0);
  return [
    ...accounts.map(({ id, balance }) => ({ account: id, points: points(0 - balance) })),
    ...(total === 0 ? [] : [{ account: to, points: points(total) }]),
  ];
}
