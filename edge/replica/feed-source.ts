import type { FeedPage, FeedPosition } from '../../sync/contract/feed.ts';
import type { BucketAnswer, RangesAnswer } from '../../sync/contract/ranges.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import type { SnapshotQuestions } from '../../sync/snapshot-client.ts';

/** Where a replica's documents come from. */
export interface FeedSource {
  /**
   * What changed after a position, at most `limit` documents. Only `more: false` means the end; a page that promises
   * more has documents.
   * @throws StammkundeError BUS_TIMEOUT when the server does not answer · REP_EPOCH_CHANGED when it has another history ·
   *   REP_SNAPSHOT_REQUIRED when it no longer knows what was deleted since `after`
   */
  pull(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage>;
}

/** What a replica is compared with. */
export interface RangeSource {
  /**
   * Hashes of what the server has of a collection, as of a position.
   * @throws StammkundeError BUS_UNREACHABLE · BUS_TIMEOUT · REP_EPOCH_CHANGED · the code the server refuses with
   */
  ranges(collection: ReplicaCollection, at: FeedPosition): Promise<RangesAnswer>;
  /**
   * The documents of one bucket in pages, by their keys.
   * @param after null: from the first key on
   * @throws as {@link ranges}
   */
  bucket(
    collection: ReplicaCollection,
    bucket: number,
    after: string | null,
    limit: number,
  ): Promise<BucketAnswer>;
}

/** What a replica asks of a server. One without ranges is never compared, one without snapshots loaded page by page. */
export type ReplicaSource = FeedSource &
  Partial<RangeSource> & { readonly snapshots?: SnapshotQuestions | undefined };
