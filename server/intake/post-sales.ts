import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import type { JournalOwner } from '../../sync/contract/journal-entry.ts';
import { totalPoints } from '../../sync/contract/earn.ts';
import { points } from '../../sync/contract/points.ts';
import type { SaleCompleted, SaleVoided } from '../../sync/contract/transaction.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { ISSUED, memberAccount, unclaimedAccount } from '../ledger/accounts.ts';
import { post, transfer } from '../ledger/post.ts';
import type { LedgerTransaction } from '../ledger/post.ts';
import { saleKey } from './judge.ts';
import type { PointsDiffer } from './judge.ts';
import { noteVisits } from '../customers/activity.ts';
import type { Visit } from '../customers/activity.ts';
import type { CustomerRow } from '../feed/documents.ts';
import { readOwners } from './owners.ts';
import { readRules } from './sale-points.ts';

interface Entered<T> {
  readonly owner: JournalOwner;
  readonly entryId: string;
  readonly seq: number;
  readonly transaction: T;
}
export type EnteredSale = Entered<SaleCompleted>;
export type EnteredVoid = Entered<SaleVoided>;

function voidKey(saleId: string): string {
  return `void:${saleId.toLowerCase()}`;
}

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
 * Posts sales and voids. Points go to the customer whom the card belongs to here and now; those of a card nobody has
 * yet wait on an account of their own, under the newest index whatever the till's was. A void takes back what was posted for its sale, whichever of them comes first.
 * @returns by entry id, the sales for which the till showed other points than were posted
 */
export async function postSales(
  tx: DatabaseTransaction,
  sales: readonly EnteredSale[],
  voids: readonly EnteredVoid[],
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
    await post(
      tx,
      sales.map(({ owner: { till, incarnation }, entryId, seq, transaction: sale }): LedgerTransaction => {
        const card = sale.customer;
        const forms = card === null ? [] : (formsOf.get(card.index) ?? [card.index]);
        const customer = forms.map((form) => owners.get(form)).find((owner) => owner !== undefined);
        const member = customer?.status === 'closed' ? undefined : customer;
        const earned = points(card === null ? 0 : totalPoints(rules.earnedOf(sale, member)));
        const shown = totalPoints(sale.earned);
        if (shown !== earned) differing.set(entryId, { shown, posted: earned });
        const account =
          member !== undefined ? memberAccount(member.id) : unclaimedAccount(forms.at(-1) ?? '');
        return {
          id: entryId,
          key: saleKey(sale.saleId),
          kind: 'sale',
          at: sale.at,
          source: { till, incarnation, seq },
          postings: transfer(ISSUED, account, earned),
        };
      }),
      now,
    );
    await noteVisits(
      tx,
      sales.flatMap((sale) => visitOf(sale, owners)),
      now,
    );
  }
  await recordVoids(tx, voids);
  const touched = [...sales, ...voids].map(({ transaction }) => transaction.saleId.toLowerCase());
  await reverse(tx, touched, now);
  return differing;
}

/** Where a customer was seen by this sale; nothing for one who closed their account, or for nobody. */
function visitOf(
  { transaction: { customer: card, storeId, at } }: EnteredSale,
  owners: ReadonlyMap<string, CustomerRow>,
): Visit[] {
  const customer = card === null ? undefined : owners.get(card.index);
  if (customer === undefined || customer.status === 'closed') return [];
  return [{ customerId: customer.id, store: storeId, at }];
}

async function recordVoids(tx: DatabaseTransaction, voids: readonly EnteredVoid[]): Promise<void> {
  // The void of a sale that was still open has nothing to take back.
  const ofCompleted = voids.flatMap(({ entryId, transaction: { saleId, completed } }) =>
    completed === null ? [] : [{ saleId, entryId, completed }],
  );
  if (ofCompleted.length === 0) return;
  await sql`
    insert into sale_void (sale_id, entry_id, completed)
    select * from unnest(
      ${ofCompleted.map((each) => each.saleId)}::uuid[], ${ofCompleted.map((each) => each.entryId)}::uuid[],
      ${ofCompleted.map((each) => each.completed)}::uuid[])
    on conflict (sale_id, completed) do nothing`.execute(tx);
}

interface ReversalRow {
  readonly id: string;
  readonly sale_id: string;
  readonly at: number;
  readonly till: string;
  readonly incarnation: string;
  readonly seq: number;
  readonly account: string | null;
  readonly points: number | null;
}

/** Takes back the sales that are both posted and voided, and not taken back yet. */
async function reverse(tx: DatabaseTransaction, saleIds: readonly string[], now: Instant): Promise<void> {
  // What was earned with a card that found its owner since has moved to them, so it is taken from whom it moved to; the
  // card may belong to somebody else by now. A claim before the posting moved other points.
  const { rows } = await sql<ReversalRow>`
    select v.entry_id as id, v.sale_id, j.at, j.till, j.incarnation, j.seq, p.points,
      case when p.account_id like 'unclaimed:%'
           then coalesce((select m.account_id from ledger_posting q
                          join ledger_transaction t on t.id = q.transaction_id and t.kind = 'claim'
                          join ledger_posting m on m.transaction_id = t.id and m.account_id like 'member:%'
                          where q.account_id = p.account_id and q.position > p.position
                          order by q.position limit 1), p.account_id)
           else p.account_id end as account
    from sale_void v
    join ledger_transaction s on s.idempotency_key = 'sale:' || v.sale_id and s.id = v.completed
    join till_journal j on j.id = v.entry_id
    left join ledger_posting p on p.transaction_id = s.id
    where v.sale_id = any(${saleIds}::uuid[])
      and not exists (select from ledger_transaction r where r.idempotency_key = 'void:' || v.sale_id)
  `.execute(tx);
  const bySale = Map.groupBy(rows, (row) => row.sale_id);
  await post(
    tx,
    [...bySale].flatMap(([saleId, lines]): LedgerTransaction[] => {
      const [first] = lines;
      if (first === undefined) return [];
      return [
        {
          id: first.id,
          key: voidKey(saleId),
          kind: 'void',
          at: first.at,
          source: { till: first.till, incarnation: first.incarnation, seq: first.seq },
          postings: lines.flatMap((line) =>
            line.account === null || line.points === null
              ? []
              : [{ account: line.account, points: points(-line.points) }],
          ),
        },
      ];
    }),
    now,
  );
}
