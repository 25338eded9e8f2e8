import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { points } from '../../sync/contract/points.ts';
import { NOTHING_HELD, merge } from '../../sync/contract/programme/lots.ts';
import type { Lot } from '../../sync/contract/programme/lots.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { isUnclaimed, memberOf, pendingAccount } from './accounts.ts';
import { sumPostings } from './change.ts';
import { lockAccounts, lockIssued, moveLots, readAllLots, readHoldings, writeHoldings } from './lot-store.ts';
import { post } from './post.ts';
import type { LedgerTransaction, Posting } from './post.ts';

/** All that is on some accounts goes to another. */
export interface AccountMove extends Omit<LedgerTransaction, 'postings'> {
  /** Of cards that had no owner, or of members. */
  readonly from: readonly string[];
  /** Of a member; or one that is nobody's, where nothing is pending. */
  readonly to: string;
  /** Accounts without lots that go along. */
  readonly along?: readonly { readonly from: string; readonly to: string }[];
}

/**
 * Moves points with their lots, which keep the days they have, and with what was paid with them, which can be returned. What one account owed is absorbed by what the others can
 * use; what was over while it waited for an owner expires with the next run.
 */
export async function moveAccounts(
  tx: DatabaseTransaction,
  moves: readonly AccountMove[],
  now: Instant,
): Promise<void> {
  if (moves.length === 0) return;
  const targets = moves.map(({ to }) => to);
  const sources = moves.flatMap(({ from }) => from);
  await lockIssued(tx);
  // Before the accounts, as whoever ends a reservation locks them.
  const paths = moves.flatMap(({ from, to }) => from.map((source) => ({ source, to })));
  await sql`
    update redemption r set account = n.target
    from unnest(${paths.map(({ source }) => source)}::text[], ${paths.map(({ to }) => to)}::text[]) as n(source, target)
    where r.account = n.source`.execute(tx);
  const beside = moves.flatMap(({ along = [] }) => along.map(({ from }) => from));
  await lockAccounts(tx, [...sources, ...beside, ...targets]);
  const { rows } = await sql<{ id: string; balance: number }>`
    select id, balance from ledger_account where id = any(${[...sources, ...beside]}::text[])`.execute(tx);
  const balances = new Map(rows.map(({ id, balance }) => [id, balance]));
  const lots = Map.groupBy(await readAllLots(tx, sources), ({ account }) => account);
  const holdings = await readHoldings(tx, targets, [], now);

  const posted: LedgerTransaction[] = [];
  const moved: { account: string; lot: Lot }[] = [];
  const before = new Map(holdings);
  for (const { from, to: target, along = [], ...head } of moves) {
    const owner = memberOf(target);
    const postings = along.flatMap((each): readonly Posting[] => {
      const balance = balances.get(each.from) ?? 0;
      return [
        { account: each.from, points: points(0 - balance) },
        { account: each.to, points: points(balance) },
      ];
    });
    const arriving: Lot[] = [];
    let owed = 0;
    for (const source of from) {
      const balance = balances.get(source) ?? 0;
      const own = (lots.get(source) ?? []).map(({ lot }): Lot => {
        if (owner === undefined) return { ...lot, pending: false };
        return isUnclaimed(source) ? { ...lot, pending: lot.vestsAt > now } : lot;
      });
      // The points of a member that are pending are on an account of their own, which goes along.
      const pending = isUnclaimed(source) ? sumOf(own.filter((lot) => lot.pending)) : 0;
      postings.push(
        { account: source, points: points(0 - balance) },
        { account: target, points: points(balance - pending) },
        ...(owner === undefined ? [] : [{ account: pendingAccount(owner), points: points(pending) }]),
      );
      owed += Math.max(0, 0 - balance);
      arriving.push(...own);
    }
    moved.push(...arriving.map((lot) => ({ account: target, lot })));
    const was = before.get(target) ?? NOTHING_HELD;
    before.set(target, { ...was, lots: [...was.lots, ...arriving] });
    holdings.set(target, merge(holdings.get(target) ?? NOTHING_HELD, { lots: arriving, owed }));
    posted.push({ ...head, postings: sumPostings(postings) });
  }
  await post(tx, posted, now);
  await moveLots(tx, moved);
  await writeHoldings(
    tx,
    [...before].map(([account, was]) => ({ account, before: was, after: holdings.get(account) ?? was })),
  );
}

function sumOf(lots: readonly Lot[]): number {
  return lots.reduce((sum, { remaining }) => sum + remaining, 0);
}
