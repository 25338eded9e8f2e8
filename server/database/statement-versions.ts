import type { Instant } from '../../foundation/clock.ts';
import type { DatabaseTransaction } from './database.ts';

/** What the last version set aside is called in `server_meta`. */
export const STATEMENT_VERSION = 'statement_version';
/**
 * Versions are counted in µs since the epoch, so time alone keeps them ahead of all that were used before a backup was
 * put back. They stay whole numbers a till takes exactly until the year 2255.
 */
export const VERSIONS_PER_MS = 1_000;
/** How far the clock of a server may have been ahead whose versions a database from before does not know. */
const CLOCK_AHEAD_MS = 24 * 3_600_000;

/** Leaves versions out that tills may have obeyed and this database lacks: they would refuse what is no newer. */
export async function passOverVersions(tx: DatabaseTransaction, now: Instant): Promise<void> {
  const row = await tx
    .selectFrom('server_meta')
    .select('value')
    .where('name', '=', STATEMENT_VERSION)
    .forUpdate()
    .executeTakeFirst();
  const value = Math.max(Number(row?.value ?? 0), Math.floor((now + CLOCK_AHEAD_MS) * VERSIONS_PER_MS));
  if (!Number.isSafeInteger(value)) return;
  await tx
    .insertInto('server_meta')
    .values({ name: STATEMENT_VERSION, value: String(value) })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: String(value) }))
    .execute();
}
