import { sql } from 'kysely';
import { Database } from './database/database.ts';
import type { DatabasePorts, DatabaseSource, Queries } from './database/database.ts';
import { connectForUpkeep } from './database/postgres.ts';
import { auditLedger } from './ledger-audit.ts';
import type { LedgerAudit, LedgerDifference } from './ledger-audit.ts';

/** What the command prints, and whether all is sound. */
export interface ToldAudit {
  readonly text: string;
  readonly sound: boolean;
}

/**
 * Audits a database as it is at this moment. A PostgreSQL may be in use meanwhile and is changed in nothing; of the
 * embedded database no server may run.
 * @throws StammkundeError DB_UNREACHABLE · DATA_IN_USE, and errors of a database that another version made
 */
export async function tellAudit(
  source: DatabaseSource,
  ports: DatabasePorts,
  { till, asJson }: { readonly till: string | undefined; readonly asJson: boolean },
): Promise<ToldAudit> {
  const opened = 'url' in source ? connectForUpkeep(source.url, ports) : await Database.open(source, ports);
  try {
    const audit = await atOneMoment(opened.db, (db) => auditLedger(db, till));
    const sound = audit.differences.length === 0;
    const [first = null] = audit.differences;
    const text = asJson ? JSON.stringify({ sound, first, ...audit }, undefined, 2) : textOf(audit);
    return { text, sound };
  } finally {
    await opened.close();
  }
}

function atOneMoment<T>(db: Queries, look: (db: Queries) => Promise<T>): Promise<T> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .execute(async (tx) => {
      await sql`set transaction read only`.execute(tx);
      return look(tx);
    });
}

function textOf({ journals, entries, withoutText, waiting, sums, differences }: LedgerAudit): string {
  const kept = withoutText === 0 ? '' : `, ${withoutText} of them by their hash alone`;
  const awaited = waiting === 0 ? '' : `; ${waiting} journals wait for entries in between`;
  const lines = [`${journals} journals, ${entries} entries${kept}${awaited}`];
  if (sums !== null)
    lines.push(`${sums.transactions} ledger transactions, debits ${sums.debits}, credits ${sums.credits}`);
  lines.push(
    ...(differences.length === 0 ? ['sound'] : differences.map((each) => `differs: ${differenceText(each)}`)),
  );
  return lines.join('\n');
}

function differenceText({ till, incarnation, seq, id, account, what }: LedgerDifference): string {
  const named = [
    till === undefined ? [] : [`till ${till}`],
    incarnation === undefined ? [] : [`incarnation ${incarnation}`],
    seq === undefined ? [] : [`entry ${seq}`],
    id === undefined ? [] : [`id ${id}`],
    account === undefined ? [] : [`account ${account}`],
  ].flat();
  return `${named.join(', ')}${named.length === 0 ? '' : ': '}${what}`;
}
