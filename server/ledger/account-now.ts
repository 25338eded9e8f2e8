import { sql } from 'kysely';
import type { DatabaseTransaction } from '../database/database.ts';
import { erasedAccount, memberAccount, memberOf } from './accounts.ts';
import { idOfKey } from './post.ts';

interface Move {
  readonly key: string;
  readonly recordedAt: number;
}

/**
 * Where what was on members' accounts before there were lots is by now: customers were merged, those they went to as
 * well, or erased. Of what has a lot, the lot says so.
 * @returns by account, each of them
 */
export async function accountsNow(
  tx: DatabaseTransaction,
  accounts: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const paths = new Map([...new Set(accounts)].map((account) => [account, { account, since: 0 }]));
  const followed = new Set<string>();
  for (let open = new Set(paths.keys()); open.size > 0;) {
    const moves = await readMoves(
      tx,
      [...open].flatMap((start) => memberOf(paths.get(start)?.account ?? '') ?? []),
    );
    const further = new Set<string>();
    for (const start of open) {
      const { account, since } = paths.get(start) ?? { account: start, since: 0 };
      const next = moves
        .get(account)
        ?.find(({ key, recordedAt }) => recordedAt >= since && !followed.has(`${start} ${key}`));
      if (next === undefined) continue;
      followed.add(`${start} ${next.key}`);
      paths.set(start, { account: targetOf(next.key), since: next.recordedAt });
      further.add(start);
    }
    open = further;
  }
  return new Map([...paths].map(([start, { account }]) => [start, account]));
}

/** By account, earliest first. */
async function readMoves(
  tx: DatabaseTransaction,
  customers: readonly string[],
): Promise<ReadonlyMap<string, readonly Move[]>> {
  if (customers.length === 0) return new Map();
  const { rows } = await sql<Move & { customer: string }>`
    select idempotency_key as key, recorded_at as "recordedAt", split_part(idempotency_key, ':', 2) as customer
    from ledger_transaction
    where kind in ('merge', 'erase') and split_part(idempotency_key, ':', 2) = any(${[...customers]}::text[])
    order by recorded_at`.execute(tx);
  return Map.groupBy(rows, ({ customer }) => memberAccount(customer));
}

/** Where the key of a merge or an erasure says the points went. */
function targetOf(key: string): string {
  const [kind, , to = ''] = key.split(':');
  return kind === 'merge' ? memberAccount(to) : erasedAccount(idOfKey(key));
}
