import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { DatabaseTransaction } from '../database/database.ts';

/** A till that the older indexes are still kept for. */
export interface TillBehind {
  readonly till: string;
  /** `key`: it does not say that it holds the newest key. `catch-up`: it was not seen to have caught up since. */
  readonly lacks: 'key' | 'catch-up';
}

/**
 * Notes which tills can do without the older indexes: those that are connected, hold the newest key, and had all the
 * server has at a time after the last credential was moved. Noted once, that stays true of the till's replica: it is
 * kept up to date, or loaded anew. It is not of another journal under the same name.
 */
export async function noteReadyTills(
  tx: DatabaseTransaction,
  wanted: { readonly version: number; readonly keyName: string; readonly movedAt: Instant | null },
  now: Instant,
): Promise<void> {
  if (wanted.movedAt === null) return;
  await sql`
    insert into till_identifier_key as k (till, incarnation, version, at)
    select s.till, s.incarnation, ${wanted.version}::int, ${now}::bigint from till_state s
    where s.online and s.health -> 'identifierKeys' ? ${wanted.keyName}
      and s.received_at - (s.health ->> 'replicaAgeMs')::numeric > ${wanted.movedAt}::bigint
    on conflict (till) do update set incarnation = excluded.incarnation, version = excluded.version, at = excluded.at
    where (k.incarnation, k.version) is distinct from (excluded.incarnation, excluded.version)`.execute(tx);
}

/** The tills known to the server that were not noted, by name. */
export async function readTillsBehind(
  tx: DatabaseTransaction,
  version: number,
  keyName: string,
): Promise<readonly TillBehind[]> {
  if (version === 1) return [];
  const { rows } = await sql<{ till: string; holds: boolean }>`
    select s.till, coalesce(s.health -> 'identifierKeys' ? ${keyName}, false) as holds
    from till_state s
    left join till_identifier_key k
      on k.till = s.till and k.incarnation = s.incarnation and k.version = ${version}::int
    where k.till is null order by s.till`.execute(tx);
  return rows.map(({ till, holds }) => ({ till, lacks: holds ? 'catch-up' : 'key' }));
}
