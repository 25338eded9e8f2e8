import { z } from 'zod';
import { FeedPosition, ReplicaDocument } from './feed.ts';
import { StoreId } from './ids.ts';
import { RANGE_BUCKETS } from './range-hash.ts';
import { replicaCollectionNames } from './replica-documents.ts';

/** More documents changed than this since the till's position: it pulls first, and compares then. */
export const RANGE_CHANGED_MAX = 2_000;

/** Most documents of one {@link BucketAnswer}. */
const BUCKET_DOCUMENTS_MAX = 10_000;

const Key = z.string().min(1).max(64);
const Collection = z.enum(replicaCollectionNames);
const Store = StoreId.optional().describe('Where the till stands; decides what its replica holds');

/** Asks for the hashes of what the till should hold of a collection. */
export const RangesRequest = z.strictObject({
  kind: z.literal('feed.ranges'),
  collection: Collection,
  at: FeedPosition.describe('How far the till has pulled'),
  store: Store,
});
export type RangesRequest = z.infer<typeof RangesRequest>;

/**
 * The buckets count exactly the documents that did not change since the till's position. A till leaves those named in
 * `changed` out of its own buckets, whatever it holds of them, and must then have the same ones.
 */
export const RangesAnswer = z.discriminatedUnion('behind', [
  z.strictObject({
    kind: z.literal('feed.ranges'),
    behind: z.literal(true).describe(`More than ${RANGE_CHANGED_MAX} documents changed since: pull first`),
  }),
  z.strictObject({
    kind: z.literal('feed.ranges'),
    behind: z.literal(false),
    buckets: z
      .array(z.tuple([z.string().regex(/^[0-9a-f]{16}$/), z.int().min(0)]))
      .length(RANGE_BUCKETS)
      .describe('[hash, count] of each bucket, from 0 on'),
    changed: z.array(Key).max(RANGE_CHANGED_MAX).describe('Keys that changed, came or went since'),
  }),
]);
export type RangesAnswer = z.infer<typeof RangesAnswer>;

/** Asks for the documents of a bucket, by their keys. */
export const BucketRequest = z.strictObject({
  kind: z.literal('feed.bucket'),
  collection: Collection,
  bucket: z
    .int()
    .min(0)
    .max(RANGE_BUCKETS - 1),
  after: Key.nullable().describe('null: from the first key on; else the `next` of the page before'),
  limit: z.int().min(1).max(BUCKET_DOCUMENTS_MAX),
  store: Store,
});
export type BucketRequest = z.infer<typeof BucketRequest>;

/**
 * What the server holds in a bucket now, sorted by key. A key after `after` up to `next` (to the end, when that is
 * null) that is not among the documents is not on the server either, or no longer in the till's scope.
 */
export const BucketAnswer = z.strictObject({
  kind: z.literal('feed.bucket'),
  documents: z.array(ReplicaDocument).max(BUCKET_DOCUMENTS_MAX),
  next: Key.nullable(),
  at: FeedPosition.describe(
    'The documents are at least as new as this; what of them is newer comes again with the feed',
  ),
});
export type BucketAnswer = z.infer<typeof BucketAnswer>;
