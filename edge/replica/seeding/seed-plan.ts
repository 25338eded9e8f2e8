import { z } from 'zod';
import { isBehind } from '../../../sync/contract/feed.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import { SnapshotManifest, snapshotCollections } from '../../../sync/contract/snapshot.ts';

/** Under these names plan and progress stand in the file that is being loaded: half a file says itself what it lacks. */
export const PLAN_MARK = 'seeding.plan';
export const PROGRESS_MARK = 'seeding.progress';

/** What is being loaded. Written when loading begins, and again when the server has another manifest. */
export const SeedPlan = z.strictObject({
  /** `positions` are those of the oldest manifest anything was loaded from: the feed tells what changed since. */
  manifest: SnapshotManifest,
  loaded: z.array(z.string()).describe('Chunks that were loaded whole from a manifest before this one'),
  overlapping: z.boolean().describe('Documents may be there that this manifest does not have'),
});
export type SeedPlan = z.infer<typeof SeedPlan>;

/** How far it is; written in the transaction of the documents. */
export const SeedProgress = z.discriminatedUnion('state', [
  z.strictObject({
    state: z.literal('loading'),
    chunk: z.int().min(0).describe('The first that is not loaded whole, by its number in the plan'),
    documents: z.int().min(0).describe('Documents of it that are loaded'),
  }),
  z.strictObject({
    state: z.literal('loaded'),
    positions: SnapshotManifest.shape.positions,
    documents: SnapshotManifest.shape.documents,
  }),
]);
export type SeedProgress = z.infer<typeof SeedProgress>;

/** Whatever follows in the feed of one position follows in the other's: same history, same part of the customer base. */
function isSameFeed(a: FeedPosition, b: FeedPosition): boolean {
  return a.epoch === b.epoch && a.scope === b.scope;
}

/**
 * Goes on with another manifest where one is half loaded; undefined when that is of another feed.
 *
 * Chunks that are in both need not come again. Documents of those that are not stay as they are: they were true at the
 * positions of the manifest before or later, so from the earlier of both positions the feed puts right what is old, and
 * deletes what is gone.
 */
export function continueWith(
  manifest: SnapshotManifest,
  before: SeedPlan,
  progress: { readonly chunk: number },
): SeedPlan | undefined {
  const positions = { ...manifest.positions };
  for (const collection of snapshotCollections) {
    const [ours, theirs] = [before.manifest.positions[collection], positions[collection]];
    if (!isSameFeed(ours, theirs)) return undefined;
    if (!isBehind(theirs, ours)) positions[collection] = ours;
  }
  const whole = before.manifest.chunks.slice(0, progress.chunk).map(({ sha256 }) => sha256);
  const loaded = new Set([...before.loaded, ...whole]);
  return {
    manifest: { ...manifest, positions },
    loaded: manifest.chunks.map(({ sha256 }) => sha256).filter((sha256) => loaded.has(sha256)),
    overlapping: true,
  };
}
