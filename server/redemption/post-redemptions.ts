import type { Instant } from '../../foundation/clock.ts';
import type { RedeemedPoints } from '../../sync/contract/redemption.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { REDEEMED, holdAccount, memberOf } from '../ledger/accounts.ts';
import { contentOf, enter } from '../ledger/enter.ts';
import type { Effect } from '../ledger/enter.ts';
import { idOfKey } from '../ledger/post.ts';
import { currentProgramme } from '../programme/programme-store.ts';
import { lockRedemptions, putRedemption } from './redemption-store.ts';
import { voidReservation } from './reservations.ts';
import type { RedemptionRow } from './redemption-store.ts';

/** A sale that was paid with points. The goods have left the shop. */
export interface PaidSale {
  readonly saleId: string;
  readonly till: string;
  readonly at: Instant;
  readonly source: { readonly till: string; readonly incarnation: string; readonly seq: number };
  readonly redeemed: RedeemedPoints;
  /** Of the card's owner, or of the card while nobody has it. */
  readonly account: string;
}

/**
 * Posts what sales were paid with. What was kept for the sale is redeemed; what was not, or not any more, is honoured
 * all the same: the account then owes what it does not have, and the redemption is flagged. To be called under the lock
 * on issued points.
 */
export async function postRedemptions(
  tx: DatabaseTransaction,
  paid: readonly PaidSale[],
  now: Instant,
): Promise<void> {
  if (paid.length === 0) return;
  const known = await lockRedemptions(
    tx,
    paid.map(({ redeemed }) => redeemed.redemptionId),
  );
  for (const sale of paid) {
    const row = await letGoOfAnothers(tx, known.get(sale.redeemed.redemptionId), sale, now);
    const after = await postOne(tx, sale, row, now);
    if (after === undefined) continue;
    known.set(after.id, after);
    await putRedemption(tx, after);
  }
}

/** What was kept of another customer goes back to them: it is no payment of whoever this sale is of. */
async function letGoOfAnothers(
  tx: DatabaseTransaction,
  row: RedemptionRow | undefined,
  { account }: PaidSale,
  now: Instant,
): Promise<RedemptionRow | undefined> {
  const isAnothers = row?.state === 'reserved' && memberOf(account) !== undefined && row.account !== account;
  if (!isAnothers) return row;
  await voidReservation(tx, row, await currentProgramme(tx), now);
  return { ...row, state: 'voided', taken: [] };
}

async function postOne(
  tx: DatabaseTransaction,
  sale: PaidSale,
  row: RedemptionRow | undefined,
  now: Instant,
): Promise<RedemptionRow | undefined> {
  const { saleId, till, at, redeemed, account } = sale;
  const { redemptionId: id, points, authorised, allowanceVersion, parts } = redeemed;
  const settled = { id, saleId, till, points, authorised, allowanceVersion, parts, state: 'posted' as const };
  if (row?.state === 'reserved' && row.points === points) {
    const from = holdAccount(memberOf(row.account) ?? '');
    const [outcome] = await enter(
      tx,
      [effectOf(`resolve:${id}`, 'resolve', sale, [{ kind: 'pass', from, to: REDEEMED, points }])],
      now,
    );
    return outcome?.kind === 'created' ? { ...row, ...settled } : undefined;
  }
  // One id pays for one sale; a sale that says so again has been counted.
  if (row?.state === 'posted' && row.saleId === saleId) return undefined;
  // Under the key of its resolution when it was never kept, so that it cannot be kept any more.
  const key = row === undefined ? `resolve:${id}` : `honour:${id}:${saleId}`;
  const kind = row === undefined ? 'resolve' : 'honour';
  const [outcome] = await enter(
    tx,
    [
      effectOf(key, kind, sale, [
        { kind: 'spend', account, points, at: Math.min(at, now), overdraw: 'owe', to: REDEEMED },
      ]),
    ],
    now,
  );
  if (outcome?.kind !== 'created') return undefined;
  const { owes: owed, taken } = outcome;
  const flag = owed > 0 ? 'overdrawn' : row === undefined ? null : 'after-void';
  // A second sale on one id, or other points than were kept: a redemption of its own, so that each can be returned.
  const isOwn = row === undefined || row.state === 'voided';
  return {
    ...settled,
    id: isOwn ? id : idOfKey(key),
    account,
    at,
    expiresAt: now,
    taken,
    owed,
    flag,
  };
}

function effectOf(
  key: string,
  kind: 'resolve' | 'honour',
  { at, source, saleId, redeemed }: PaidSale,
  changes: Effect['changes'],
): Effect {
  const content = contentOf('posted', saleId, redeemed.points);
  return { id: idOfKey(key), key, kind, at, source, content, changes };
}
