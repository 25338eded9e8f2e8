import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { TillId } from '../../sync/contract/ids.ts';
import type { Queries } from '../database/database.ts';

/** A journal of a till's name: a till that is set up anew, or put in the place of another, has its own. */
interface TillJournal {
  readonly incarnation: string;
  readonly lastSeen: Instant;
}

/** Journals named in a message; a name has few. */
const NAMED_MAX = 10;

/** All the server ever heard of under a name, the one seen last first. */
export async function readTillJournals(db: Queries, till: TillId): Promise<readonly TillJournal[]> {
  const { rows } = await sql<TillJournal>`
    select incarnation, max(seen)::bigint as "lastSeen" from (
      select incarnation, received_at as seen from till_state where till = ${till}
      union all select incarnation, last_seen from till_former_journal where till = ${till}
      union all select incarnation, updated_at from till_progress where till = ${till}) known
    group by incarnation order by max(seen) desc, incarnation`.execute(db);
  return rows;
}

/**
 * The journal an order is for; null when the server heard of none, so that it is for whichever there is.
 * @throws StammkundeError WIPE_AMBIGUOUS when there are several and none is named, or another is
 */
export function chooseJournal(
  till: TillId,
  known: readonly TillJournal[],
  named: string | undefined,
): string | null {
  const [only] = known;
  if (only === undefined) return named ?? null;
  if (named === undefined && known.length === 1) return only.incarnation;
  const wanted = named?.toLowerCase();
  if (known.some(({ incarnation }) => incarnation === wanted)) return wanted ?? null;
  const list = known
    .slice(0, NAMED_MAX)
    .map(({ incarnation, lastSeen }) => `${incarnation}, last seen ${new Date(lastSeen).toISOString()}`);
  const more = known.length > NAMED_MAX ? `; and ${known.length - NAMED_MAX} more` : '';
  throw new StammkundeError('WIPE_AMBIGUOUS', `the journals of ${till}: ${list.join('; ')}${more}`);
}
