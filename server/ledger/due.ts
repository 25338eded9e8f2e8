import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { settleNow } from './change.ts';
import { dueTransaction, underFreeKeys } from './enter.ts';
import { lockAccounts, lockIssued, readHoldings, writeHoldings } from './lot-store.ts';
import { post } from './post.ts';
import type { LedgerTransaction } from './post.ts';

/** Accounts settled in one transaction. */
const SLICE_MAX = 200;

/**
 * Vests and expires what is due on some accounts. Each lot vests once and expires once, whichever server gets to it, and
 * whoever is interrupted goes on with what is left: what is done is not due any more.
 * @returns how many accounts had something due; fewer than `slice` when nothing more is
 */
export async function settleDue(
  tx: DatabaseTransaction,
  now: Instant,
  slice: number = SLICE_MAX,
): Promise<{ readonly accounts: number; readonly more: boolean }> {
  await lockIssued(tx);
  const { rows } = await sql<{ account: string }>`
    select distinct account from (
      (select account from point_lot
       where pending and remaining > 0 and account like 'member:%' and vests_at <= ${now}::bigint
       order by vests_at limit ${slice}::bigint)
      union all
      (select account from point_lot
       where remaining > 0 and expires_at is not null and account like 'member:%' and expires_at <= ${now}::bigint
       order by expires_at limit ${slice}::bigint)) due
    order by account limit ${slice}::bigint`.execute(tx);
  const accounts = rows.map(({ account }) => account);
  if (accounts.length === 0) return { accounts: 0, more: false };
  await lockAccounts(tx, accounts);
  const before = await readHoldings(tx, accounts, [], now);
  const posted: LedgerTransaction[] = [];
  const changes = [...before].map(([account, was]) => {
    const { holdings, due } = settleNow(account, was, now);
    posted.push(...due.map(dueTransaction));
    return { account, before: was, after: holdings };
  });
  await post(tx, await underFreeKeys(tx, posted), now);
  await writeHoldings(tx, changes);
  return { accounts: accounts.length, more: true };
}
