import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import type { JournalOwner } from '../../sync/contract/journal-entry.ts';
import { totalPoints } from '../../sync/contract/earn.ts';
import type { SaleCompleted } from '../../sync/contract/transaction.ts';
import { REDACTED_INDEX } from '../customers/redact-indexes.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { memberAccount, unclaimedAccount } from '../ledger/accounts.ts';
import { enter } from '../ledger/enter.ts';
import { lockIssued } from '../ledger/lot-store.ts';
import { postRedemptions } from '../redemption/post-redemptions.ts';
import { lockRedemptions } from '../redemption/redemption-store.ts';
import type { PaidSale } from '../redemption/post-redemptions.ts';
import type { Effect } from '../ledger/enter.ts';
import { saleKey } from './judge.ts';
import type { PointsDiffer } from './judge.ts';
import { noteVisits } from '../customers/activity.ts';
import type { Visit } from '../customers/activity.ts';
import type { CustomerRow } from '../feed/documents.ts';
import { readOwners } from './owners.ts';
import { recordReturns, settleReturns } from './post-returns.ts';
import type { EnteredReturn } from './post-returns.ts';
import { readRules } from './sale-points.ts';

/** Owes what was paid with points that nobody can be asked for. */
const NOBODYS = unclaimedAccount('nobody');

interface Entered<T> {
  readonly owner: JournalOwner;
  readonly entryId: string;
  readonly seq: number;
  readonly transaction: T;
}
export type EnteredSale = Entered<SaleCompleted>;

/** Those of the sales that are in the ledger already, by their key. */
export async function readPostedSales(
  tx: DatabaseTransaction,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  if (keys.length === 0) return new Set();
  const { rows } = await sql<{ key: string }>`
    select idempotency_key as key from ledger_transaction where idempotency_key = any(${keys}::text[])
  `.execute(tx);
  return new Set(rows.map((row) => row.key));
}

/**
 * Posts sales, returns and voids. Points go to the customer whom the card belongs to here and now; those of a card
 * nobody has yet wait on an account of their own, under the newest index whatever the till's was. A return takes back
 * what was posted for its lines, a void all that is left, whichever of them and their sale comes first.
 * @returns by entry id, the sales for which the till showed other points than were posted
 */
export async function postSales(
  tx: DatabaseTransaction,
  sales: readonly EnteredSale[],
  returns: readonly EnteredReturn[],
  { now, indexer }: { readonly now: Instant; readonly indexer: IndexForms },
): Promise<ReadonlyMap<string, PointsDiffer>> {
  const differing = new Map<string, PointsDiffer>();
  if (sales.length > 0) {
    const cards = sales.flatMap(({ transaction }) => transaction.customer ?? []);
    const formsOf = new Map(cards.map(({ index }) => [index, indexer.formsFrom(index)]));
    const owners = await readOwners(tx, [...formsOf.values()].flat());
    const rules = await readRules(
      tx,
      sales.map(({ transaction }) => transaction),
      now,
    );
    const paid: PaidSale[] = [];
    const redemptions = sales.flatMap(({ transaction }) => transaction.redeemed?.redemptionId ?? []);
    let kept: Awaited<ReturnType<typeof lockRedemptions>> = new Map();
    if (redemptions.length > 0) {
      // Before any account of a member, as whoever ends a reservation does.
      await lockIssued(tx);
      kept = await lockRedemptions(tx, redemptions);
    }
    const effects = sales.map(({ owner: { till, incarnation }, entryId, seq, transaction: sale }): Effect => {
      // One whose card was erased before this was taken in is nobody's.
      const card = sale.customer?.index === REDACTED_INDEX ? null : sale.customer;
      const forms = card === null ? [] : (formsOf.get(card.index) ?? [card.index]);
      const customer = forms.map((form) => owners.get(form)).find((owner) => owner !== undefined);
      const member = customer?.status === 'closed' ? undefined : customer;
      const earned = card === null ? undefined : rules.earnedOf(sale, member);
      const points = earned === undefined ? 0 : totalPoints(earned);
      const shown = totalPoints(sale.earned);
      if (shown !== points) differing.set(entryId, { shown, posted: points });
      const account = member !== undefined ? memberAccount(member.id) : unclaimedAccount(forms.at(-1) ?? '');
      const source = { till, incarnation, seq };
      const { saleId, at, redeemed } = sale;
      if (redeemed !== undefined) {
        // Without a card whoever the points were kept of pays; if none were, it is flagged as owed by nobody known.
        const payer = card === null ? (kept.get(redeemed.redemptionId)?.account ?? NOBODYS) : account;
        paid.push({ saleId, till, at, source, redeemed, account: payer });
      }
      return {
        id: entryId,
        key: saleKey(sale.saleId),
        kind: 'sale',
        at: sale.at,
        source,
        parts: earned?.parts,
        changes:
          points === 0
            ? []
            : [{ kind: 'earn', account, points, earnedAt: sale.at, life: rules.lifeOf(sale) }],
      };
    });
    await enter(tx, effects, now, { fresh: true });
    await postRedemptions(tx, paid, now);
    await noteVisits(
      tx,
      sales.flatMap((sale) => visitOf(sale, owners, indexer)),
      now,
    );
  }
  await recordReturns(tx, returns);
  const touched = [...sales, ...returns].map(({ transaction }) => transaction.saleId.toLowerCase());
  await settleReturns(tx, touched, now);
  return differing;
}

/** Where a customer was seen by this sale; nothing for one who closed their account, or for nobody. */
function visitOf(
  { transaction: { customer: card, storeId, at } }: EnteredSale,
  owners: ReadonlyMap<string, CustomerRow>,
  indexer: IndexForms,
): Visit[] {
  const forms = card === null ? [] : indexer.formsFrom(card.index);
  const customer = forms.map((form) => owners.get(form)).find((owner) => owner !== undefined);
  if (customer === undefined || customer.status === 'closed') return [];
  return [{ customerId: customer.id, store: storeId, at }];
}
