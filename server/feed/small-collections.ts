import { sql } from 'kysely';
import { bucketOf, combine, documentHash, EMPTY_BUCKET, keyOf } from '../../sync/contract/range-hash.ts';
import type { RangeBucket } from '../../sync/contract/range-hash.ts';
import type { OfferDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import type { Queries } from '../database/database.ts';
import { comparePlaces } from './position.ts';
import type { Place } from './position.ts';
import type { RangeState } from './range-state.ts';

export type SmallCollection = 'offers' | 'programme';

interface SmallRow extends Place {
  readonly document: OfferDocument | ProgrammeDocument;
  readonly deleted: boolean;
}

/**
 * Offers and the programme as they stand, in one statement and so one snapshot. They are few, and JSON: a hash of them
 * in SQL would be much to keep right for little to gain.
 */
async function readSmallRows(db: Queries, collection: SmallCollection): Promise<readonly SmallRow[]> {
  const rows =
    collection === 'offers'
      ? sql`select document, deleted, xid::text as xid, seq from offer`
      : sql`select document, false as deleted, xid::text as xid, seq from programme order by version desc limit 1`;
  return (await sql<SmallRow>`${rows}`.execute(db)).rows;
}

/** What there is of a small collection, with what changed after a place apart; hashed here and now. */
export async function readSmallState(
  db: Queries,
  collection: SmallCollection,
  after: Place,
): Promise<RangeState> {
  const buckets = new Map<number, RangeBucket>();
  const changed: RangeState['changed'][number][] = [];
  const gone: string[] = [];
  for (const { document, deleted, ...place } of await readSmallRows(db, collection)) {
    const key = keyOf(collection, document);
    const isNew = comparePlaces(place, after) > 0;
    if (deleted) {
      if (isNew) gone.push(key);
      continue;
    }
    const [bucket, hash] = [bucketOf(key), documentHash(collection, document)];
    buckets.set(bucket, combine(buckets.get(bucket) ?? EMPTY_BUCKET, { hash, count: 1 }));
    if (isNew) changed.push({ key, bucket, hash });
  }
  return { buckets, changed, gone };
}

/** The documents of a small collection in a bucket, sorted by key. */
export async function readSmallBucket(
  db: Queries,
  collection: SmallCollection,
  bucket: number,
): Promise<readonly { readonly key: string; readonly document: OfferDocument | ProgrammeDocument }[]> {
  return (await readSmallRows(db, collection))
    .filter(({ deleted }) => !deleted)
    .map(({ document }) => ({ key: keyOf(collection, document), document }))
    .filter(({ key }) => bucketOf(key) === bucket)
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
