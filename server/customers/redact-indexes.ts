import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { singleForm } from '../../sync/contract/blind-index.ts';
import type { BlindIndex, IndexForms } from '../../sync/contract/blind-index.ts';
import type { Database, DatabaseTransaction } from '../database/database.ts';
import { erasedAccount } from '../ledger/accounts.ts';
import { changeOwnership } from '../ledger/claim.ts';

/** Entries of the journal that name any of the cards, first or later: two indexes, as most entries name one card. */
function entriesNaming(list: readonly BlindIndex[]): RawBuilder<unknown> {
  return sql`
    select t.id, t.body from till_journal t
    where substr(t.body, strpos(t.body, '"index":"') + 9, 43) = any(${[...list]}::text[]) and t.body like '%"index":"%'
    union
    select t.id, t.body from till_journal t
    where cards_named_in(t.body) && ${[...list]}::text[] and t.body like '%"index":"%"index":"%'`;
}

/** What stands in place of a blind index that was erased: the shape of one, and the index of nothing. */
export const REDACTED_INDEX = '-'.repeat(43);

/** Cards looked at again in one transaction. */
const REAPPLY_MAX = 200;

export interface Redacted {
  /** Journal entries in which an index was overwritten. */
  readonly entries: number;
  /** Accounts of unclaimed points that were given a name that says nothing. */
  readonly accounts: number;
}

/**
 * Takes blind indexes out of journals and ledger, for good. An entry keeps the hash it came with, so that a repeated
 * delivery is still known and the chain still holds; it is its text that says less. To be called with the lock on
 * ownership of cards.
 * @param others ids of further entries that are the person's
 */
export async function redactIndexes(
  tx: DatabaseTransaction,
  indexes: readonly BlindIndex[],
  others: readonly string[] = [],
): Promise<Redacted> {
  // Set for consents as well, which the caller may go on with; it ends with the transaction.
  await sql`select set_config('stammkunde.erasing', 'on', true)`.execute(tx);
  if (indexes.length === 0) return { entries: 0, accounts: 0 };
  const list = [...indexes];
  const { rows: entries } = await sql`
    update till_journal j set body = ${overwritten(sql`j.body`)}
    where j.id = any(array(select named.id from (${entriesNaming(list)}) named) || ${[...others]}::uuid[])
    returning j.id`.execute(tx);
  const { rows: quarantined } = await sql`
    update journal_quarantine q set body = ${overwritten(sql`q.body`)}
    where cards_named_in(q.body) && ${list}::text[]
    returning q.id`.execute(tx);
  const { rows: accounts } = await sql<{ id: string; name: string }>`
    update ledger_account a set id = ${erasedAccount('')} || gen_random_uuid()
    from unnest(${list}::text[]) as n(index) where a.id = 'unclaimed:' || n.index
    returning 'unclaimed:' || n.index as id, a.id as name`.execute(tx);
  for (const { id, name } of accounts) {
    await sql`update ledger_posting set account_id = ${name} where account_id = ${id}`.execute(tx);
  }
  await sql`
    delete from index_form where index = any(${list}::text[]) or previous = any(${list}::text[])`.execute(tx);
  return { entries: entries.length + quarantined.length, accounts: accounts.length };
}

/**
 * Erases again what tills brought since of cards that were erased: a till may have been away. A card that was given out
 * anew in the meantime is left alone, whichever index it stands under by now.
 * @param indexer lifts erased indexes to those of keys that were added since, which tills name their cards by then
 * @returns how many entries and accounts there were
 */
export async function reapplyErasures(
  database: Database,
  indexer: Pick<IndexForms, 'formsFrom'> = singleForm,
): Promise<number> {
  let found = 0;
  for (let after = ''; ;) {
    const done = await database.transaction(async (tx) => {
      const { rows } = await sql<{ index: BlindIndex }>`
        select index from erased_index where index > ${after} order by index limit ${REAPPLY_MAX}::bigint`.execute(
        tx,
      );
      const cards = rows.map(({ index }) => indexer.formsFrom(index));
      const late = await readLate(tx, await withoutGivenOut(tx, cards));
      if (late.length > 0) {
        await changeOwnership(tx);
        const { entries, accounts } = await redactIndexes(tx, late);
        found += entries + accounts;
      }
      after = rows.at(-1)?.index ?? after;
      return rows.length < REAPPLY_MAX;
    });
    if (done) return found;
  }
}

/** The indexes of those cards, each with all it has, that nobody was given since. */
export async function withoutGivenOut(
  tx: DatabaseTransaction,
  cards: readonly (readonly BlindIndex[])[],
): Promise<readonly BlindIndex[]> {
  const { rows } = await sql<{ index: BlindIndex }>`
    select index from credential where index = any(${cards.flat()}::text[])`.execute(tx);
  const given = new Set(rows.map(({ index }) => index));
  return [...new Set(cards.filter((forms) => !forms.some((form) => given.has(form))).flat())];
}

/** Those of the indexes that stand in a journal, in the quarantine or on an account. */
async function readLate(
  tx: DatabaseTransaction,
  indexes: readonly BlindIndex[],
): Promise<readonly BlindIndex[]> {
  if (indexes.length === 0) return [];
  const list = [...indexes];
  const { rows } = await sql<{ index: BlindIndex }>`
    select index from unnest(${list}::text[]) as wanted(index)
    where index in (
      select unnest(cards_named_in(named.body)) from (${entriesNaming(list)}) named
      union select unnest(cards_named_in(q.body)) from journal_quarantine q
        where cards_named_in(q.body) && ${list}::text[]
      union select substr(id, length('unclaimed:') + 1) from ledger_account
        where id = any(array(select 'unclaimed:' || n from unnest(${list}::text[]) n)))`.execute(tx);
  return rows.map(({ index }) => index);
}

/** The text of an entry with every card it names overwritten: an entry is about the cards of one person. */
function overwritten(body: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`regexp_replace(${body}, '"index":"[A-Za-z0-9_-]{43}"', ${`"index":"${REDACTED_INDEX}"`}, 'g')`;
}
