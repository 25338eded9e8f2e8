import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { ReplicaScope } from '../../sync/contract/replica-scope.ts';
import type { Database, DatabaseTransaction, Queries } from '../database/database.ts';
import { holdOwnership } from '../ledger/claim.ts';
import { readScopeSetting } from './programme-scope.ts';

/** Customers moved in one transaction: who gives a card away, and every sale behind them, waits for it. */
const MOVED_MAX = 500;
/** Customers looked at in one statement, without a lock, when all are. */
const LOOKED_AT_MAX = 5_000;
/** Customers left out in one sweep that are remembered; further ones are found when all are looked at again. */
const LEFT_OUT_MAX = 10_000;
const DAY_MS = 86_400_000;

/** What a sweep did. */
export interface Swept {
  readonly moved: number;
  /** Customers somebody else was writing to: to be moved the next time. */
  readonly leftOut: readonly string[];
}

const NOTHING: Swept = { moved: 0, leftOut: [] };

/**
 * Puts customers who bought somewhere else, or again after a long time, into the part of the customer base where they
 * belong now, with their cards. Tills of the part they left get a tombstone, those of the new one the documents. While
 * every till holds everybody nothing is moved: no till would be any wiser. Who is left out keeps their mark.
 * @param signal ends it between two transactions
 */
export async function moveVisitors(database: Database, now: Instant, signal?: AbortSignal): Promise<Swept> {
  const rule = await readRule(database.db, now);
  if (rule === undefined) return NOTHING;
  let moved = 0;
  for (let after: string | undefined = BEFORE_ALL; after !== undefined && signal?.aborted !== true;) {
    const from: string = after;
    const done = await database.transaction((tx) => moveMarked(tx, rule, from));
    moved += done.moved;
    after = done.last;
  }
  return { moved, leftOut: [] };
}

/**
 * Looks at every customer: finds who is no longer active, and all there are after the setting was changed. Where nobody
 * has to be moved nothing is locked and nothing written.
 * @param signal ends it between two transactions
 */
export async function moveEverybody(database: Database, now: Instant, signal?: AbortSignal): Promise<Swept> {
  const rule = await readRule(database.db, now);
  if (rule === undefined) return NOTHING;
  let swept = NOTHING;
  for (let after: string | undefined = BEFORE_ALL; after !== undefined && signal?.aborted !== true;) {
    const page: Page = await readAstray(database.db, rule, after);
    swept = together(swept, await moveSome(database, rule, page.astray, signal));
    after = page.last;
  }
  return swept;
}

/** Moves those of the customers who still lie in the wrong part. */
export async function moveCustomers(
  database: Database,
  ids: readonly string[],
  now: Instant,
  signal?: AbortSignal,
): Promise<Swept> {
  const rule = ids.length === 0 ? undefined : await readRule(database.db, now);
  return rule === undefined ? NOTHING : moveSome(database, rule, ids, signal);
}

/** Where customers belong: an expression over a customer `c` and their last visit `a`, null for one who never came. */
type Rule = RawBuilder<unknown>;

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/** undefined while every till holds everybody. */
async function readRule(db: Queries, now: Instant): Promise<Rule | undefined> {
  const setting: ReplicaScope | undefined = await readScopeSetting(db);
  if (setting === undefined || setting.by === 'all') return undefined;
  const { activeWithinDays: days } = setting;
  const activeSince = days === undefined ? 0 : Math.floor(now - days * DAY_MS);
  return sql`(coalesce(a.store, '') || case when coalesce(a.at, c.created_at) < ${activeSince}::bigint then '~' else '' end)`;
}

interface Page {
  /** Who lies in the wrong part. */
  readonly astray: readonly string[];
  /** The last customer looked at; undefined when there are no more. */
  readonly last: string | undefined;
}

async function readAstray(db: Queries, rule: Rule, after: string): Promise<Page> {
  const { rows } = await sql<{ id: string; astray: boolean }>`
    with c as materialized (
      select id, feed_part, created_at from customer where id > ${after}::uuid
      order by id limit ${LOOKED_AT_MAX}::bigint)
    select c.id, c.feed_part <> ${rule} as astray from c left join customer_activity a on a.customer_id = c.id
    where c.feed_part <> ${rule} or c.id = (select id from c order by id desc limit 1)
    order by c.id`.execute(db);
  return { astray: rows.filter(({ astray }) => astray).map(({ id }) => id), last: rows.at(-1)?.id };
}

async function moveSome(
  database: Database,
  rule: Rule,
  ids: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Swept> {
  let swept = NOTHING;
  for (let at = 0; at < ids.length && signal?.aborted !== true; at += MOVED_MAX) {
    const some = ids.slice(at, at + MOVED_MAX);
    const done = await database.transaction(async (tx) => {
      // No card may change hands between its customer's move and its own. Before anything else: whoever changes hands
      // of cards waits for nobody with this lock in hand.
      await holdOwnership(tx);
      return move(tx, rule, some);
    });
    swept = together(swept, done);
  }
  return swept;
}

async function moveMarked(
  tx: DatabaseTransaction,
  rule: Rule,
  after: string,
): Promise<{ readonly moved: number; readonly last: string | undefined }> {
  await holdOwnership(tx);
  // A sale of the others is being posted, or another server has them in hand.
  const { rows } = await sql<{ id: string }>`
    select customer_id as id from customer_activity where moved and customer_id > ${after}::uuid
    order by customer_id limit ${MOVED_MAX}::bigint for update skip locked`.execute(tx);
  if (rows.length === 0) return { moved: 0, last: undefined };
  const ids = rows.map(({ id }) => id);
  const { moved, leftOut } = await move(tx, rule, ids);
  const marked = new Set(leftOut);
  await sql`
    update customer_activity set moved = false
    where customer_id = any(${ids.filter((id) => !marked.has(id))}::uuid[])`.execute(tx);
  return { moved, last: ids.at(-1) };
}

/** Moves those of the customers who lie in the wrong part and whom nobody else is writing to. */
async function move(tx: DatabaseTransaction, rule: Rule, ids: readonly string[]): Promise<Swept> {
  const astray = sql`
    from customer c left join customer_activity a on a.customer_id = c.id
    where c.id = any(${[...ids]}::uuid[]) and c.feed_part <> ${rule} order by c.id`;
  // Not for update: whoever makes a card of a customer refers to them, and needs not wait.
  const { rows } = await sql<{ id: string; part: string }>`
    select c.id, ${rule} as part ${astray} for no key update of c skip locked`.execute(tx);
  if (rows.length > 0) {
    const moves = sql`unnest(${rows.map(({ id }) => id)}::uuid[], ${rows.map(({ part }) => part)}::text[]) as m(id, part)`;
    await sql`update customer c set feed_part = m.part from ${moves} where c.id = m.id`.execute(tx);
    await sql`
      update credential k set feed_part = m.part from ${moves}
      where k.customer_id = m.id and k.feed_part <> m.part`.execute(tx);
  }
  // Read without a lock: those that still lie where they lay.
  const { rows: leftOut } = await sql<{ id: string }>`select c.id ${astray}`.execute(tx);
  return { moved: rows.length, leftOut: leftOut.map(({ id }) => id) };
}

function together(a: Swept, b: Swept): Swept {
  return { moved: a.moved + b.moved, leftOut: [...a.leftOut, ...b.leftOut].slice(0, LEFT_OUT_MAX) };
}
