import type { FeedPage, FeedPosition } from '../../sync/contract/feed.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';

/** Where a replica's documents come from. */
export interface FeedSource {
  /**
   * What changed after a position, at most `limit` documents. Only `more: false` means the end; a page that promises
   * more has documents.
   * @throws StammkundeError BUS_TIMEOUT when the server does not answer · REP_EPOCH_CHANGED when it has another history
   */
  pull(collection: ReplicaCollection, after: FeedPosition | null, limit: number): Promise<FeedPage>;
}
