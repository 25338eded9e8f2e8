import { prepareQuery } from 'rxdb';
import type { RxStorageInstance } from 'rxdb';
import { StammkundeError } from '../../../foundation/errors.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import {
  EMPTY_BUCKET,
  bucketOf,
  combine,
  documentHash,
  hashOfHex,
} from '../../../sync/contract/range-hash.ts';
import type { RangeBucket } from '../../../sync/contract/range-hash.ts';
import type { BucketAnswer } from '../../../sync/contract/ranges.ts';
import type { ReplicaCollection, ReplicaDocuments } from '../../../sync/contract/replica-documents.ts';
import { replicaCollections } from '../../../sync/contract/replica-documents.ts';
import type { RangeSource } from '../feed-source.ts';
import { pulledDocuments } from '../pulled-documents.ts';
import { differingBuckets } from '../storage/digests.ts';
import type { SqliteStore } from '../storage/store.ts';

/** Documents of a bucket asked for, and written, at once. */
const BUCKET_PAGE = 500;
/** Rows looked through at once for keys the server does not know: a few milliseconds. */
const WALK_PAGE = 500;
/** Where more than this differs, loading everything anew costs less than mending it. */
const REFETCH_DOCUMENTS_MAX = 100_000;

/** How a comparison with the server ended. */
export type Verification =
  | { readonly kind: 'same' }
  /** The server has more changes since than it would name: to be pulled first. */
  | { readonly kind: 'behind' }
  /** These buckets differed, and so many documents were written or deleted: now it is the same. */
  | { readonly kind: 'repaired'; readonly buckets: readonly number[]; readonly documents: number }
  /** These buckets still differ after they were fetched again, or too much did to be fetched. */
  | { readonly kind: 'diverged'; readonly buckets: readonly number[]; readonly documents: number };

interface Verified<C extends ReplicaCollection> {
  /** All that is stored of the collection is what the server had here; nobody else writes meanwhile. */
  readonly position: FeedPosition;
  readonly source: RangeSource;
  readonly store: SqliteStore<ReplicaDocuments[C]>;
  readonly instance: RxStorageInstance<ReplicaDocuments[C], unknown, unknown>;
  readonly closing: AbortSignal;
}

/**
 * Compares what is stored of a collection with what the server has, bucket by bucket:
 *
 *   compare ──▶ same
 *      └─ differs ─▶ fetch those buckets, put what is other, delete what the server lacks ─▶ compare ─▶ repaired | diverged
 *
 * @throws StammkundeError as the source does · WIRE_MALFORMED for documents that do not fit · REP_POISONED
 */
export async function verifyCollection<C extends ReplicaCollection>(
  collection: C,
  verified: Verified<C>,
): Promise<Verification> {
  const first = await compare(collection, verified);
  if (first === 'behind') return { kind: 'behind' };
  const { buckets } = first;
  if (buckets.length === 0) return { kind: 'same' };
  if (first.documents > REFETCH_DOCUMENTS_MAX) return { kind: 'diverged', buckets, documents: 0 };
  let documents = 0;
  const known = new Set<string>();
  for (const bucket of buckets) documents += await fetchAgain(collection, bucket, verified, known);
  let second = await compare(collection, verified);
  if (second !== 'behind' && second.buckets.length > 0) {
    documents += await removeUnknown(collection, new Set(buckets), verified, known);
    second = await compare(collection, verified);
  }
  if (second === 'behind') return { kind: 'behind' };
  return second.buckets.length === 0
    ? { kind: 'repaired', buckets, documents }
    : { kind: 'diverged', buckets: second.buckets, documents };
}

/** The buckets that differ, and how many documents the server has in them. */
async function compare<C extends ReplicaCollection>(
  collection: C,
  { position, source, store, closing }: Verified<C>,
): Promise<'behind' | { readonly buckets: readonly number[]; readonly documents: number }> {
  const answer = await source.ranges(collection, position);
  closing.throwIfAborted();
  if (answer.behind) return 'behind';
  const theirs: readonly RangeBucket[] = answer.buckets.map(([hex, count]) => ({
    hash: hashOfHex(hex),
    count,
  }));
  const ours: RangeBucket[] = [...store.digests()];
  for (const key of new Set(answer.changed)) {
    const stored = store.readById(key);
    if (stored === undefined || stored._deleted) continue;
    const bucket = bucketOf(key);
    ours[bucket] = combine(ours[bucket] ?? EMPTY_BUCKET, {
      hash: documentHash(collection, stored),
      count: -1,
    });
  }
  const buckets = differingBuckets(ours, theirs);
  return { buckets, documents: buckets.reduce((sum, bucket) => sum + (theirs[bucket]?.count ?? 0), 0) };
}

/** Puts what the server has in a bucket. Returns how many documents that changed; adds their keys to `known`. */
async function fetchAgain<C extends ReplicaCollection>(
  collection: C,
  bucket: number,
  { source, store, closing }: Verified<C>,
  known: Set<string>,
): Promise<number> {
  const { primaryKey } = replicaCollections[collection];
  let written = 0;
  let after: string | null = null;
  do {
    const answer: BucketAnswer = await source.bucket(collection, bucket, after, BUCKET_PAGE);
    closing.throwIfAborted();
    const { documents: answered, at: position, next } = answer;
    const put = pulledDocuments(collection, { documents: answered, position, more: false });
    for (const document of put) {
      const key = String(Reflect.get(document, primaryKey));
      if (document._deleted || bucketOf(key) !== bucket) {
        throw new StammkundeError(
          'WIRE_MALFORMED',
          `bucket ${bucket} of ${collection} holds what is not in it`,
        );
      }
      known.add(key);
    }
    written += store.repair({ put, delete: [] }).written;
    if (next !== null && after !== null && next <= after) {
      throw new StammkundeError('WIRE_MALFORMED', `bucket ${bucket} of ${collection} leads nowhere`);
    }
    after = next;
  } while (after !== null);
  return written;
}

/** Deletes what is stored in these buckets and not among the `known` keys. Looks through the whole collection. */
async function removeUnknown<C extends ReplicaCollection>(
  collection: C,
  buckets: ReadonlySet<number>,
  { store, instance, closing }: Verified<C>,
  known: ReadonlySet<string>,
): Promise<number> {
  const { primaryKey } = replicaCollections[collection];
  let removed = 0;
  let after = '';
  for (;;) {
    const query = prepareQuery<ReplicaDocuments[C]>(instance.schema, {
      // The primary key's name belongs to the collection, which TypeScript does not follow through a type parameter.
      selector: { _deleted: { $eq: false }, [primaryKey]: { $gt: after } } as never,
      sort: [{ [primaryKey]: 'asc' } as never],
      skip: 0,
      limit: WALK_PAGE,
    });
    const { documents } = await instance.query(query);
    const keys = documents.map((document) => String(Reflect.get(document, primaryKey)));
    const unknown = keys.filter((key) => buckets.has(bucketOf(key)) && !known.has(key));
    if (unknown.length > 0) removed += store.repair({ put: [], delete: unknown }).deleted;
    const last = keys.at(-1);
    if (last === undefined || keys.length < WALK_PAGE) return removed;
    after = last;
    // Others get their turn between slices.
    await new Promise((resolve) => setImmediate(resolve));
    closing.throwIfAborted();
  }
}
