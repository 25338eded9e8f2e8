import { sql } from 'kysely';
import type { Answer } from '../../sync/contract/messages.ts';
import type { BucketRequest } from '../../sync/contract/ranges.ts';
import type { Queries } from '../database/database.ts';
import { PAGE_JSON_BYTES_MAX, readEnd } from './feed-store.ts';
import { positionAt } from './position.ts';
import { isRowCollection, rowAccess, tableOf } from './row-collections.ts';
import { EVERYTHING, inScope } from './scope.ts';
import type { FeedScope } from './scope.ts';
import { readSmallBucket } from './small-collections.ts';

interface KeyedDocument {
  readonly key: string;
  readonly document: object;
}

/** The documents of a bucket, sorted by their keys, as many as fit into one answer. */
export async function answerBucket(
  { db, epoch }: { readonly db: Queries; readonly epoch: string },
  question: BucketRequest,
  scope: FeedScope = EVERYTHING,
): Promise<Answer<'feed.bucket'>> {
  const { kind, collection, limit } = question;
  // Read first: the documents are at least as new.
  const end = await readEnd(db, collection);
  const rows = await readBucket(db, question, scope);
  const documents: Answer<'feed.bucket'>['documents'] = [];
  let bytes = 0;
  let next: string | null = null;
  for (const { key, document } of rows) {
    const size = Buffer.byteLength(JSON.stringify(document));
    if (documents.length > 0 && (documents.length === limit || bytes + size > PAGE_JSON_BYTES_MAX)) {
      return { kind, documents, next, at: positionAt(epoch, scope, end) };
    }
    bytes += size;
    documents.push({ ...document, _deleted: false });
    next = key;
  }
  return { kind, documents, next: null, at: positionAt(epoch, scope, end) };
}

/** One more than was asked for, if there is one: it tells that a page is not the last. */
async function readBucket(
  db: Queries,
  { collection, bucket, after, limit }: BucketRequest,
  scope: FeedScope,
): Promise<readonly KeyedDocument[]> {
  if (!isRowCollection(collection)) {
    const rows = await readSmallBucket(db, collection, bucket);
    return rows.filter(({ key }) => after === null || key > after);
  }
  const { columns, key, sortKey, keyValue, document } = rowAccess[collection];
  const { rows } = await sql<{ sort_key: string }>`
    select ${columns}, ${key} as sort_key from ${tableOf[collection]} f
    where f.range_bucket = ${bucket}::smallint and ${inScope(scope, sql`f.feed_part`)}
      and ${after === null ? sql`true` : sql`${sortKey} > ${keyValue(after)}`}
    order by ${sortKey} limit ${limit + 1}::bigint`.execute(db);
  return rows.map((row) => ({ key: row.sort_key, document: document(row, false) }));
}
