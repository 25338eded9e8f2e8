import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { ProgrammerError } from '../../foundation/errors.ts';
import type { Instant } from '../../foundation/clock.ts';
import { points as wholePoints } from '../../sync/contract/points.ts';
import type { Points } from '../../sync/contract/points.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import type { LedgerKind } from '../database/tables.ts';
import { memberOf } from './accounts.ts';

/** Points added to an account; negative takes them away. Never zero. */
export interface Posting {
  readonly account: string;
  readonly points: Points;
}

/** A movement of points that takes place once. Its postings add up to zero; none at all records that nothing moved. */
export interface LedgerTransaction {
  /** Made by whoever caused it: the id of the journal entry, for a sale. */
  readonly id: string;
  /** The same key can never be posted twice. */
  readonly key: string;
  readonly kind: LedgerKind;
  /** When it happened. */
  readonly at: Instant;
  readonly source?: { readonly till: string; readonly incarnation: string; readonly seq: number };
  /** What was asked for, as a digest; a key that comes again with another is a contradiction. */
  readonly content?: string | undefined;
  /** Of a sale: points of each line of its basket; lines past the end carry none. */
  readonly parts?: readonly number[] | undefined;
  readonly postings: readonly Posting[];
}

/** The id of a transaction that nobody but its key names: the same for the same key (RFC 9562, 5.8). */
export function idOfKey(key: string): string {
  const hex = createHash('sha256')
    .update(JSON.stringify(['stammkunde ledger key v1', key]))
    .digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Posts to the ledger, in the caller's transaction: the only function that does. Balances of accounts and of the
 * members' points follow in the same transaction.
 * @returns the balances of all accounts it touched, as they were before
 * @throws ProgrammerError when postings do not add up · a unique violation when a key was posted before
 */
export async function post(
  tx: DatabaseTransaction,
  transactions: readonly LedgerTransaction[],
  recordedAt: Instant,
): Promise<ReadonlyMap<string, number>> {
  const before = new Map<string, number>();
  if (transactions.length === 0) return before;
  for (const transaction of transactions) assertBalanced(transaction);
  await sql`
    insert into ledger_transaction (id, idempotency_key, kind, at, recorded_at, till, incarnation, seq, content, parts)
    select id, key, kind, at, ${recordedAt}::bigint, till, incarnation, seq, content, parts::integer[]
    from unnest(
      ${transactions.map((each) => each.id)}::uuid[], ${transactions.map((each) => each.key)}::text[],
      ${transactions.map((each) => each.kind)}::text[], ${transactions.map((each) => each.at)}::bigint[],
      ${transactions.map((each) => each.source?.till ?? null)}::text[],
      ${transactions.map((each) => each.source?.incarnation ?? null)}::uuid[],
      ${transactions.map((each) => each.source?.seq ?? null)}::bigint[],
      ${transactions.map((each) => each.content ?? null)}::text[],
      ${transactions.map(({ parts }) => (parts === undefined ? null : `{${parts.join(',')}}`))}::text[]
    ) as t(id, key, kind, at, till, incarnation, seq, content, parts)`.execute(tx);

  const postings = transactions.flatMap(({ id, postings: own }) =>
    own.map((posting) => ({ ...posting, transaction: id })),
  );
  if (postings.length === 0) return before;
  await sql`
    insert into ledger_posting (transaction_id, account_id, points)
    select * from unnest(
      ${postings.map((each) => each.transaction)}::uuid[], ${postings.map((each) => each.account)}::text[],
      ${postings.map((each) => each.points)}::bigint[])`.execute(tx);

  const changes = new Map<string, number>();
  for (const { account, points } of postings) changes.set(account, (changes.get(account) ?? 0) + points);
  // In one order always, so that two servers posting at once cannot wait for each other.
  const accounts = [...changes.keys()].sort();
  const { rows: balances } = await sql<{ id: string; balance: number }>`
    insert into ledger_account as account (id, balance)
    select * from unnest(${accounts}::text[], ${accounts.map((account) => changes.get(account) ?? 0)}::bigint[])
    on conflict (id) do update set balance = account.balance + excluded.balance
    returning id, balance`.execute(tx);
  for (const { id, balance } of balances) before.set(id, balance - (changes.get(id) ?? 0));

  const members = balances.flatMap(({ id, balance }) => {
    const customer = memberOf(id);
    return customer === undefined ? [] : [{ customer, balance }];
  });
  if (members.length === 0) return before;
  await sql`
    update customer set points = m.balance, points_at = ${recordedAt}::bigint
    from unnest(${members.map((each) => each.customer)}::uuid[], ${members.map((each) => each.balance)}::bigint[])
      as m(id, balance)
    where customer.id = m.id`.execute(tx);
  return before;
}

function assertBalanced({ id, postings }: LedgerTransaction): void {
  let sum = 0;
  for (const { points } of postings) sum += wholePoints(points);
  if (sum !== 0) throw new ProgrammerError(`ledger transaction ${id} is out of balance by ${sum}`);
  if (new Set(postings.map(({ account }) => account)).size !== postings.length) {
    throw new ProgrammerError(`ledger transaction ${id} names an account twice`);
  }
}
