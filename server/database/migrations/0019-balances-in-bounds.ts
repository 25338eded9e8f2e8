import { sql } from 'kysely';
import type { Kysely } from 'kysely';

/**
 * No balance passes what is calculated exactly (2^53 − 1): the entry that would cross is refused as a value, instead of
 * breaking whatever reads the balance afterwards. Not checked of what stands.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(
      `alter table ledger_account add constraint ledger_account_exact
       check (balance between -9007199254740991 and 9007199254740991) not valid`,
    )
    .execute(db);
}
