import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { Database, DatabaseTransaction } from '../database/database.ts';
import { changeOwnership } from '../ledger/claim.ts';

/** The first card an entry `t` names; the expression of an index. */
const CARD_OF_ENTRY = sql`substring(t.body from '"index":"([A-Za-z0-9_-]{43})"')`;

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
    where j.id = any(array(
        select t.id from till_journal t
        where ${CARD_OF_ENTRY} = any(${list}::text[]) and t.body like '%"index":"%')
      || ${[...others]}::uuid[])
    returning j.id`.execute(tx);
  const { rows: quarantined } = await sql`
    update journal_quarantine q set body = ${overwritten(sql`q.body`)}
    where exists (select from unnest(${list}::text[]) as n(index) where position(n.index in q.body) > 0)
    returning q.id`.execute(tx);
  const { rows: accounts } = await sql<{ id: string; name: string }>`
    update ledger_account a set id = 'unclaimed:erased-' || gen_random_uuid()
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
 * anew in the meantime is left alone.
 * @returns how many entries and accounts there were
 */
export async function reapplyErasures(database: Database): Promise<number> {
  let found = 0;
  for (let after = ''; ;) {
    const done = await database.transaction(async (tx) => {
      const { rows } = await sql<{ index: BlindIndex }>`
        select e.index from erased_index e
        where e.index > ${after} and not exists (select from credential c where c.index = e.index)
        order by e.index limit ${REAPPLY_MAX}::bigint`.execute(tx);
      const indexes = rows.map(({ index }) => index);
      const { rows: late } = await sql<{ index: BlindIndex }>`
        select n.index from unnest(${indexes}::text[]) as n(index)
        where exists (select from till_journal t where t.body like '%"index":"%' and ${CARD_OF_ENTRY} = n.index)
           or exists (select from ledger_account where id = 'unclaimed:' || n.index)`.execute(tx);
      if (late.length > 0) {
        await changeOwnership(tx);
        const { entries, accounts } = await redactIndexes(
          tx,
          late.map(({ index }) => index),
        );
        found += entries + accounts;
      }
      after = indexes.at(-1) ?? after;
      return indexes.length < REAPPLY_MAX;
    });
    if (done) return found;
  }
}

/** The text of an entry with every card it names overwritten: an entry is about the cards of one person. */
function overwritten(body: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`regexp_replace(${body}, '"index":"[A-Za-z0-9_-]{43}"', ${`"index":"${REDACTED_INDEX}"`}, 'g')`;
}
