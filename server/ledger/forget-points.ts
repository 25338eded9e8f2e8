import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { erasedAccount, holdAccount, memberAccount, pendingAccount } from './accounts.ts';
import { contentOf, enter } from './enter.ts';
import { lockIssued } from './lot-store.ts';
import { moveAccounts } from './move-accounts.ts';
import { idOfKey } from './post.ts';

/**
 * Takes all that a customer has, or owes, to an account that is nobody's, lots and redemptions with it: whoever is made
 * anew under their id begins with nothing, and what still comes back of their sales is taken from there. Reservations
 * end; a sale that comes after them is honoured on the account of its card. To be called under the lock on ownership,
 * before the customer's row is locked.
 */
export async function forgetPoints(tx: DatabaseTransaction, customerId: string, now: Instant): Promise<void> {
  const [member, pending, hold] = [
    memberAccount(customerId),
    pendingAccount(customerId),
    holdAccount(customerId),
  ];
  // The first of the accounts, as everybody does who locks several.
  await lockIssued(tx);
  const { rows: found } = await sql<{ known: boolean; before: number }>`
    select exists (select from ledger_account where id = any(${[member, pending, hold]}::text[])) as known,
      (select count(*) from ledger_transaction
       where kind = 'erase' and split_part(idempotency_key, ':', 2) = ${customerId})::bigint as before`.execute(
    tx,
  );
  if (found[0]?.known !== true) return;
  // They may have been made anew under their id, and be erased again.
  const key = `erase:${customerId}:${found[0].before}`;
  const id = idOfKey(key);
  const to = erasedAccount(id);
  const { rows: kept } = await sql<{ id: string; points: number }>`
    update redemption set state = 'voided', taken = '[]' where account = ${member} and state = 'reserved'
    returning id, points`.execute(tx);
  const life = { vestsAt: now, expiresAt: null };
  await enter(
    tx,
    kept.map((each) => ({
      id: idOfKey(`resolve:${each.id}`),
      key: `resolve:${each.id}`,
      kind: 'resolve' as const,
      at: now,
      content: contentOf('voided'),
      changes: [{ kind: 'earn' as const, account: to, points: each.points, earnedAt: now, life, from: hold }],
    })),
    now,
  );
  await moveAccounts(
    tx,
    [{ id, key, kind: 'erase', at: now, from: [member], to, along: [{ from: pending, to }] }],
    now,
  );
}
