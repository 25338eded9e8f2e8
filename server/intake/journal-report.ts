import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';

export interface JournalReport {
  readonly incarnation: string;
  readonly entries: number;
  readonly created: number;
  readonly refused: number;
  readonly contiguous: number;
  readonly highest: number;
  readonly quarantined: number;
}

/** What the server holds of a till's journals, one line per incarnation. */
export async function readJournalReport(db: Queries, till: string): Promise<readonly JournalReport[]> {
  const { rows } = await sql<JournalReport>`
    select p.incarnation, p.contiguous, p.highest, coalesce(j.entries, 0)::bigint as entries,
      coalesce(j.created, 0)::bigint as created, coalesce(j.refused, 0)::bigint as refused,
      (select count(*) from journal_quarantine q
       where q.till = p.till and q.incarnation = p.incarnation)::bigint as quarantined
    from till_progress p
    left join (
      select incarnation, count(*) as entries, count(*) filter (where verdict = 'created') as created,
             count(*) filter (where verdict = 'refused') as refused
      from till_journal where till = ${till} group by incarnation) j on j.incarnation = p.incarnation
    where p.till = ${till} order by p.incarnation`.execute(db);
  return rows;
}
