import { combine, EMPTY_BUCKET, hashToHex, RANGE_BUCKETS } from '../../sync/contract/range-hash.ts';
import { RANGE_CHANGED_MAX } from '../../sync/contract/ranges.ts';
import type { RangesRequest } from '../../sync/contract/ranges.ts';
import type { Answer } from '../../sync/contract/messages.ts';
import type { Queries } from '../database/database.ts';
import { assertNotPurged } from './purge.ts';
import { assertPositionFits } from './position.ts';
import { readRangeState } from './range-state.ts';
import type { RangeState } from './range-state.ts';
import { isRowCollection } from './row-collections.ts';
import { EVERYTHING } from './scope.ts';
import type { FeedScope } from './scope.ts';
import { readSmallState } from './small-collections.ts';

/**
 * The hashes of what a till should hold at its position, apart from what changed since.
 * @throws StammkundeError REP_EPOCH_CHANGED · REP_SNAPSHOT_REQUIRED as for a page of the feed
 */
export async function answerRanges(
  { db, epoch }: { readonly db: Queries; readonly epoch: string },
  { kind, collection, at }: RangesRequest,
  scope: FeedScope = EVERYTHING,
): Promise<Answer<'feed.ranges'>> {
  assertPositionFits(at, epoch, scope);
  const state = isRowCollection(collection)
    ? await readRangeState(db, collection, at, scope)
    : await readSmallState(db, collection, at);
  await assertNotPurged(db, collection, at);
  const changed = [...new Set([...state.changed.map(({ key }) => key), ...state.gone])];
  if (changed.length > RANGE_CHANGED_MAX) return { kind, behind: true };
  return { kind, behind: false, buckets: unchangedBuckets(state), changed };
}

/** Everything there is, less what changed. */
function unchangedBuckets({ buckets, changed }: RangeState): [string, number][] {
  const unchanged = new Map(buckets);
  for (const { bucket, hash } of changed) {
    unchanged.set(bucket, combine(unchanged.get(bucket) ?? EMPTY_BUCKET, { hash, count: -1 }));
  }
  return Array.from({ length: RANGE_BUCKETS }, (_, bucket) => {
    const { hash, count } = unchanged.get(bucket) ?? EMPTY_BUCKET;
    return [hashToHex(hash), count];
  });
}
