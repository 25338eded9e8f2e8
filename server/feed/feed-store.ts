import { sql } from 'kysely';
import type { FeedHead, FeedPage, FeedPageRequest, FeedPosition } from '../../sync/contract/feed.ts';
import type { Answer } from '../../sync/contract/messages.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import type { Queries } from '../database/database.ts';
import { readFeedRows } from './feed-rows.ts';
import { HELD_BACK_TOLD_MS } from './held-back.ts';
import { assertPositionFits, isComplete, laterOf, positionAt, START, tombstonesFrom } from './position.ts';
import type { Place } from './position.ts';
import { assertNotPurged } from './purge.ts';
import { isRowCollection, tableOf } from './row-collections.ts';
import { EVERYTHING } from './scope.ts';
import type { FeedScope } from './scope.ts';

/** JSON of one page at most, in bytes; a page always holds at least one document. */
export const PAGE_JSON_BYTES_MAX = 512 * 1024;

/**
 * What changed in a collection after a position, oldest first. Rows of transactions that might still be preceded by
 * one in progress are left for the next page. `more: false` therefore means "no more for now"; the position then lies
 * at the end of the feed, however little of it is in the scope.
 * @param heldBackMs how long ago all was committed that transactions still running do not hold back, ms
 */
export async function readFeedPage(
  db: Queries,
  epoch: string,
  { collection, after, limit }: FeedPageRequest,
  scope: FeedScope = EVERYTHING,
  heldBackMs = 0,
): Promise<FeedPage> {
  // Read before the page: whatever lies up to here is in the page, or moved behind it.
  const { ends, heldBack } = await readEnds(db, [collection]);
  const end = ends.get(collection) ?? START;
  const from = after ?? START;
  const floor = after === null ? end : after.floor;
  const tombstonesAfter = after === null ? end : tombstonesFrom(after);
  const rows = await readFeedRows(db, collection, { after: from, tombstonesAfter, limit }, scope);
  const documents: FeedPage['documents'] = [];
  let bytes = 0;
  let last: Place = from;
  let cut = false;
  for (const row of rows) {
    const size = Buffer.byteLength(JSON.stringify(row.document));
    if (documents.length > 0 && bytes + size > PAGE_JSON_BYTES_MAX) {
      cut = true;
      break;
    }
    bytes += size;
    documents.push({ ...row.document, _deleted: row.deleted });
    last = row.place;
  }
  const more = cut || rows.length === limit;
  const position = positionAt(epoch, scope, more ? last : laterOf(last, end), floor);
  // A till of a version that does not know it takes no such page; its replica then grows old all the same.
  const isOld = !more && heldBack.has(collection) && heldBackMs >= HELD_BACK_TOLD_MS;
  return { documents, position, more, ...(isOld ? { behindMs: Math.round(heldBackMs) } : {}) };
}

/**
 * A page as the answer to a till that asked for it.
 * @throws StammkundeError REP_EPOCH_CHANGED when it asks from a position in another history · REP_SNAPSHOT_REQUIRED
 *   from one in another scope, or from before tombstones that are no longer kept
 */
export async function answerFeedPage(
  { db, epoch }: { readonly db: Queries; readonly epoch: string },
  question: FeedPageRequest,
  scope: FeedScope = EVERYTHING,
  heldBackMs = 0,
): Promise<Answer<'feed.page'>> {
  if (question.after !== null) assertPositionFits(question.after, epoch, scope);
  const page = await readFeedPage(db, epoch, question, scope, heldBackMs);
  // Asked afterwards: tombstones purged before the page was read would be missing in it.
  if (question.after !== null) await assertNotPurged(db, question.collection, question.after);
  return { kind: 'feed.page', page };
}

/** Where a collection stands, by the same rule as {@link readFeedPage}. */
export async function readEnd(db: Queries, collection: ReplicaCollection): Promise<Place> {
  const { ends } = await readEnds(db, [collection]);
  return ends.get(collection) ?? START;
}

/** Where each collection stands. */
export async function readFeedHeads(db: Queries, epoch: string): Promise<FeedHead> {
  return (await readFeedStand(db, epoch)).head;
}

/** Where each collection stands, and whether changes to any of them are held back by transactions still running. */
export async function readFeedStand(
  db: Queries,
  epoch: string,
): Promise<{ readonly head: FeedHead; readonly isHeldBack: boolean }> {
  const { ends, heldBack } = await readEnds(db, replicaCollectionNames);
  const headOf = (collection: ReplicaCollection): FeedPosition =>
    positionAt(epoch, EVERYTHING, ends.get(collection) ?? START);
  const heads = {
    credentials: headOf('credentials'),
    customers: headOf('customers'),
    offers: headOf('offers'),
    programme: headOf('programme'),
  };
  return { head: { heads }, isHeldBack: heldBack.size > 0 };
}

interface Ends {
  readonly ends: ReadonlyMap<ReplicaCollection, Place>;
  /** Those of which something is committed that a transaction still running might precede. */
  readonly heldBack: ReadonlySet<ReplicaCollection>;
}

/** A collection ends with its last row or its last tombstone, even if that was purged. */
async function readEnds(db: Queries, collections: readonly ReplicaCollection[]): Promise<Ends> {
  const lastOf = collections.flatMap((collection) => [
    sql`(select ${sql.lit(collection)} as collection, null as xid, 0::bigint as seq
         where exists (select from ${tableOf[collection]} f where not ${isComplete('f')})${
           isRowCollection(collection)
             ? sql` or exists (select from feed_tombstone f
                      where f.collection = ${sql.lit(collection)} and not ${isComplete('f')})`
             : sql``
         })`,
    sql`(select ${sql.lit(collection)} as collection, f.xid::text as xid, f.seq from ${tableOf[collection]} f
         where ${isComplete('f')} order by f.xid desc, f.seq desc limit 1)`,
    ...(isRowCollection(collection)
      ? [
          sql`(select ${sql.lit(collection)} as collection, f.xid::text as xid, f.seq from feed_tombstone f
               where f.collection = ${sql.lit(collection)} and ${isComplete('f')}
               order by f.xid desc, f.seq desc limit 1)`,
          sql`(select f.collection, f.xid::text as xid, f.seq from feed_purged f
               where f.collection = ${sql.lit(collection)})`,
        ]
      : []),
  ]);
  const { rows } = await sql<{ xid: string | null; seq: number; collection: ReplicaCollection }>`
    ${sql.join(lastOf, sql` union all `)}`.execute(db);
  const ends = new Map<ReplicaCollection, Place>();
  const heldBack = new Set<ReplicaCollection>();
  for (const { collection, xid, seq } of rows) {
    if (xid === null) heldBack.add(collection);
    else ends.set(collection, laterOf(ends.get(collection) ?? START, { xid, seq }));
  }
  return { ends, heldBack };
}
