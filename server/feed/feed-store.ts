import { sql } from 'kysely';
import type { FeedHead, FeedPage, FeedPageRequest, FeedPosition } from '../../sync/contract/feed.ts';
import type { Answer } from '../../sync/contract/messages.ts';
import { replicaCollectionNames } from '../../sync/contract/replica-documents.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import type { Queries } from '../database/database.ts';
import { readFeedRows } from './feed-rows.ts';
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
 */
export async function readFeedPage(
  db: Queries,
  epoch: string,
  { collection, after, limit }: FeedPageRequest,
  scope: FeedScope = EVERYTHING,
): Promise<FeedPage> {
  // Read before the page: whatever lies up to here is in the page, or moved behind it.
  const end = await readEnd(db, collection);
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
  return { documents, position: positionAt(epoch, scope, more ? last : laterOf(last, end), floor), more };
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
): Promise<Answer<'feed.page'>> {
  if (question.after !== null) assertPositionFits(question.after, epoch, scope);
  const page = await readFeedPage(db, epoch, question, scope);
  // Asked afterwards: tombstones purged before the page was read would be missing in it.
  if (question.after !== null) await assertNotPurged(db, question.collection, question.after);
  return { kind: 'feed.page', page };
}

/** Where a collection stands, by the same rule as {@link readFeedPage}. */
export async function readEnd(db: Queries, collection: ReplicaCollection): Promise<Place> {
  const ends = await readEnds(db, [collection]);
  return ends.get(collection) ?? START;
}

/** Where each collection stands. */
export async function readFeedHeads(db: Queries, epoch: string): Promise<FeedHead> {
  const ends = await readEnds(db, replicaCollectionNames);
  const headOf = (collection: ReplicaCollection): FeedPosition =>
    positionAt(epoch, EVERYTHING, ends.get(collection) ?? START);
  return {
    heads: {
      credentials: headOf('credentials'),
      customers: headOf('customers'),
      offers: headOf('offers'),
      programme: headOf('programme'),
    },
  };
}

/** A collection ends with its last row or its last tombstone, even if that was purged. */
async function readEnds(
  db: Queries,
  collections: readonly ReplicaCollection[],
): Promise<ReadonlyMap<ReplicaCollection, Place>> {
  const lastOf = collections.flatMap((collection) => [
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
  const { rows } = await sql<Place & { collection: ReplicaCollection }>`
    ${sql.join(lastOf, sql` union all `)}`.execute(db);
  const ends = new Map<ReplicaCollection, Place>();
  for (const { collection, xid, seq } of rows) {
    ends.set(collection, laterOf(ends.get(collection) ?? START, { xid, seq }));
  }
  return ends;
}
