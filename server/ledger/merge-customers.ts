import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { holdAccount, memberAccount, pendingAccount } from './accounts.ts';
import { changeOwnership } from './claim.ts';
import { moveAccounts } from './move-accounts.ts';
import { idOfKey } from './post.ts';

export type Merged =
  | { readonly kind: 'created' | 'exists' }
  | { readonly kind: 'refused'; readonly code: ErrorCode };

/**
 * Makes two customers one, once. The survivor gets the other's points with the days they have, what is pending, what is
 * kept for sales, and the cards and phones: so what tills that were away bring for either is the survivor's, and a
 * return takes from them. Consents are not merged: the survivor's stay, the other's end, and with them the other's name,
 * address and links of bank cards, which can be linked anew. The other is closed. It cannot be undone.
 */
export async function mergeCustomers(
  tx: DatabaseTransaction,
  { from, to }: { readonly from: string; readonly to: string },
  now: Instant,
): Promise<Merged> {
  // No sale of theirs may be on its way into the ledger.
  await changeOwnership(tx);
  const key = `merge:${from}:${to}`;
  const { rows: before } = await sql`
    select from ledger_transaction where idempotency_key = ${key}`.execute(tx);
  if (before.length > 0) return { kind: 'exists' };
  const { rows: customers } = await sql<{ id: string; status: string }>`
    select id, status from customer where id = any(${[from, to]}::uuid[]) order by id for update`.execute(tx);
  const statusOf = (id: string): string | undefined => customers.find((each) => each.id === id)?.status;
  if (from === to || statusOf(from) === undefined || statusOf(to) === undefined)
    return { kind: 'refused', code: 'CUSTOMER_NOT_FOUND' };
  // Whoever is closed was merged before, or left: nobody's points may go there.
  if (statusOf(from) === 'closed' || statusOf(to) === 'closed')
    return { kind: 'refused', code: 'CUSTOMER_NOT_FOUND' };

  await moveAccounts(
    tx,
    [
      {
        id: idOfKey(key),
        key,
        kind: 'merge',
        at: now,
        from: [memberAccount(from)],
        to: memberAccount(to),
        along: [
          { from: pendingAccount(from), to: pendingAccount(to) },
          { from: holdAccount(from), to: holdAccount(to) },
        ],
      },
    ],
    now,
  );
  await sql`
    update credential set customer_id = case when kind = 'bankcard' then null else ${to}::uuid end
    where customer_id = ${from}::uuid and alias_of is null`.execute(tx);
  await sql`delete from customer_profile where customer_id = ${from}::uuid`.execute(tx);
  await sql`
    update customer set status = 'closed', purposes = '{}', greeting = null where id = ${from}::uuid`.execute(
    tx,
  );
  return { kind: 'created' };
}
