import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { LedgerKind } from '../database/tables.ts';

export interface LedgerLine {
  readonly position: number;
  readonly transactionId: string;
  readonly kind: LedgerKind;
  readonly at: number;
  readonly recordedAt: number;
  readonly points: number;
  readonly till: string | null;
}

/**
 * The lines of an account, newest first.
 * @param before position to continue after, as the last line of the page before says; undefined from the newest
 */
export async function readAccount(
  db: Queries,
  account: string,
  page: { readonly before: number | undefined; readonly limit: number },
): Promise<{ readonly balance: number; readonly lines: readonly LedgerLine[] }> {
  const balance = await db
    .selectFrom('ledger_account')
    .select('balance')
    .where('id', '=', account)
    .executeTakeFirst();
  let query = db
    .selectFrom('ledger_posting as p')
    .innerJoin('ledger_transaction as t', 't.id', 'p.transaction_id')
    .select([
      'p.position',
      't.id as transactionId',
      't.kind',
      't.at',
      't.recorded_at as recordedAt',
      'p.points',
      't.till',
    ])
    .where('p.account_id', '=', account);
  if (page.before !== undefined) query = query.where('p.position', '<', page.before);
  const lines = await query.orderBy('p.position', 'desc').limit(page.limit).execute();
  return { balance: balance?.balance ?? 0, lines };
}

/** What must hold for the ledger to be right, from all of its lines. */
export interface TrialBalance {
  readonly debits: number;
  readonly credits: number;
  /** Debits equal credits, stored balances equal the sums of their lines, and customers show what their accounts hold. */
  readonly balanced: boolean;
  readonly transactions: number;
  /** Balance by class of account: member, unclaimed, issued, redeemed, adjust. */
  readonly classes: Readonly<Record<string, number>>;
  readonly customerPoints: number;
  /** Of all members but those who were erased: their accounts stay, and are nobody's. */
  readonly memberBalances: number;
  /** Accounts whose stored balance is not the sum of their lines. */
  readonly accountsOff: number;
  /** Customers whose points are not the balance of their account. */
  readonly customersOff: number;
}

export async function readTrialBalance(db: Queries): Promise<TrialBalance> {
  // One statement is one snapshot: sums read one after the other would differ while sales come in.
  const { rows } = await sql<{
    debits: number;
    credits: number;
    transactions: number;
    classes: Record<string, number> | null;
    customer_points: number;
    member_balances: number;
    accounts_off: number;
    customers_off: number;
  }>`
    with sums as (
      select account_id as id, sum(points)::bigint as points,
             coalesce(sum(points) filter (where points > 0), 0)::bigint as debits,
             coalesce(-sum(points) filter (where points < 0), 0)::bigint as credits
      from ledger_posting group by account_id),
    classes as (
      select split_part(id, ':', 1) as class, sum(points)::bigint as points from sums group by 1)
    select
      coalesce((select sum(debits) from sums), 0)::bigint as debits,
      coalesce((select sum(credits) from sums), 0)::bigint as credits,
      (select count(*) from ledger_transaction)::bigint as transactions,
      (select jsonb_object_agg(class, points) from classes) as classes,
      coalesce((select sum(points) from customer), 0)::bigint as customer_points,
      (coalesce((select points from classes where class = 'member'), 0)
       - coalesce((select sum(s.points) from customer_erasure e join sums s on s.id = 'member:' || e.customer_id
                   where not exists (select from customer c where c.id = e.customer_id)), 0))::bigint as member_balances,
      (select count(*) from ledger_account a full join sums s on s.id = a.id
       where coalesce(a.balance, 0) <> coalesce(s.points, 0))::bigint as accounts_off,
      (select count(*) from customer c left join ledger_account a on a.id = 'member:' || c.id
       where c.points <> coalesce(a.balance, 0))::bigint as customers_off`.execute(db);
  const row = rows[0];
  if (row === undefined) throw new Error('an aggregate without a row');
  return {
    debits: row.debits,
    credits: row.credits,
    balanced:
      row.debits === row.credits &&
      row.accounts_off === 0 &&
      row.customers_off === 0 &&
      row.customer_points === row.member_balances,
    transactions: row.transactions,
    classes: row.classes ?? {},
    customerPoints: row.customer_points,
    memberBalances: row.member_balances,
    accountsOff: row.accounts_off,
    customersOff: row.customers_off,
  };
}
