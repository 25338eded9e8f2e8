import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { BLIND_INDEX_PATTERN, singleForm } from '../../sync/contract/blind-index.ts';
import type { BlindIndex, IndexForms } from '../../sync/contract/blind-index.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { memberAccount, pendingAccount } from '../ledger/accounts.ts';
import { changeOwnership } from '../ledger/claim.ts';
import { forgetPoints } from '../ledger/forget-points.ts';
import { forgetInSnapshots } from '../snapshots/forget-in-snapshots.ts';
import { REDACTED_INDEX, redactIndexes, withoutGivenOut } from './redact-indexes.ts';
import type { Redacted } from './redact-indexes.ts';

/** What an erasure did. */
export interface Erased extends Redacted {
  /** Cards, phones and codes that were deleted. */
  readonly credentials: number;
  /** The consents that stay, as proof without the card they were about. */
  readonly consents: number;
}

/** What tills must forget, and where that stands in the feed. */
export interface Forgotten {
  readonly indexes: readonly BlindIndex[];
  readonly xid: string;
  readonly seq: number;
}

/**
 * Erases a customer: profile, membership, cards, phones and codes are deleted, and their blind indexes are taken out of
 * journals, consents and accounts, and snapshots that may hold them are made anew. Their points go to an account that is
 * nobody's. What stays is bookkeeping: amounts, dates, stores and the customer's random id, which
 * leads to nobody any more.
 * @param indexer leads to the indexes under which tills with newer keys name the same cards
 * @returns undefined when there is no such customer
 */
export async function eraseCustomer(
  tx: DatabaseTransaction,
  id: string,
  now: Instant,
  indexer: Pick<IndexForms, 'formsFrom'> = singleForm,
): Promise<{ readonly erased: Erased; readonly forgotten: Forgotten } | undefined> {
  // No sale of theirs may be on its way into the ledger.
  await changeOwnership(tx);
  const customer = tx.selectFrom('customer').select('id').where('id', '=', id);
  if ((await customer.executeTakeFirst()) === undefined) return undefined;
  // Accounts before customers, as whoever posts locks them.
  await forgetPoints(tx, id, now);
  await customer.forUpdate().execute();
  const { rows: cards } = await sql<{ index: BlindIndex }>`
    delete from credential where customer_id = ${id}::uuid returning index`.execute(tx);
  await tx.deleteFrom('customer').where('id', '=', id).execute();
  await tx.deleteFrom('customer_activity').where('customer_id', '=', id).execute();

  const own = cards.map(({ index }) => index);
  const known = new Set([...own, ...(await readFormerIndexes(tx, id, own))]);
  // A card they gave up may belong to somebody else by now, whose sales stay as they are.
  const free = await withoutGivenOut(
    tx,
    [...known].map((index) => indexer.formsFrom(index)),
  );
  const erased = free.filter((index) => known.has(index));
  // Those under newer keys follow from them.
  await sql`
    insert into erased_index (index, at) select index, ${now}::bigint from unnest(${erased}::text[]) as n(index)
    on conflict (index) do update set at = excluded.at`.execute(tx);
  const redacted = await redactIndexes(tx, free, await readEntries(tx, id));
  const consents = await redactConsents(tx, id);

  const { rows } = await sql<{ xid: string; seq: number }>`
    select xid::text as xid, seq from feed_tombstone
    where (collection = 'customers' and key = ${id}) or (collection = 'credentials' and key = any(${own}::text[]))
    order by feed_tombstone.xid desc, seq desc limit 1`.execute(tx);
  const [last] = rows;
  await forgetInSnapshots(tx, { customers: [id], credentials: [...known] });
  return {
    erased: { ...redacted, credentials: own.length, consents },
    forgotten: { indexes: own, xid: last?.xid ?? '0', seq: last?.seq ?? 0 },
  };
}

/** Indexes that were theirs once: of bank cards whose link was taken back, and those under older keys. */
async function readFormerIndexes(
  tx: DatabaseTransaction,
  id: string,
  own: readonly BlindIndex[],
): Promise<readonly BlindIndex[]> {
  const { rows } = await sql<{ index: BlindIndex }>`
    select object_ref as index from consent_event where subject_ref = ${id}::uuid and object_ref is not null
    union select previous from index_form where index = any(${[...own]}::text[])
    union select index from index_form where previous = any(${[...own]}::text[])`.execute(tx);
  return rows.map(({ index }) => index).filter((index) => BLIND_INDEX_PATTERN.test(index));
}

/** The journal entries in which they linked cards or took them back, and those of sales that earned them points. */
async function readEntries(tx: DatabaseTransaction, id: string): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select j.id from (
      select split_part(substr(proof_ref, 9), '/', 1) as till, split_part(proof_ref, '/', 2)::uuid as incarnation,
             split_part(proof_ref, '/', 3)::bigint as seq
      from consent_event where subject_ref = ${id}::uuid and proof_ref like 'journal:%') p
    join till_journal j on j.till = p.till and j.incarnation = p.incarnation and j.seq = p.seq
    union
    select j.id from ledger_posting p join till_journal j on j.id = p.transaction_id
    where p.account_id = any(${[memberAccount(id), pendingAccount(id)]}::text[])`.execute(tx);
  return rows.map((row) => row.id);
}

/** Consents stay as they were given, but for which card they were about. Their chain of hashes stays, too. */
async function redactConsents(tx: DatabaseTransaction, id: string): Promise<number> {
  const { rows } = await sql<{ object_ref: string | null }>`
    update consent_event set object_ref = case when object_ref is null then null else ${REDACTED_INDEX} end
    where subject_ref = ${id}::uuid returning object_ref`.execute(tx);
  return rows.length;
}
