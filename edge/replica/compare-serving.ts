import type { Clock } from '../../foundation/clock.ts';
import { isFault } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import type { RangeSource } from './feed-source.ts';
import type { Generation } from './generation.ts';
import type { ReplicaTrust } from './replica-trust.ts';
import type { ReseedReason } from './replica-writer.ts';
import { VerificationRounds } from './verification/verification-rounds.ts';
import type { Verification } from './verification/verify-collection.ts';

interface Comparing {
  readonly trust: ReplicaTrust;
  readonly clock: Clock;
  readonly log: Log;
  /** False once another generation has taken its place. */
  readonly isServing: () => boolean;
  /** What is known of it has changed. */
  readonly onCompared: () => void;
  /** Documents of a collection that is complete up to the position were mended. */
  readonly onRepaired: (collection: ReplicaCollection, position: FeedPosition) => void;
  readonly reseed: (reason: ReseedReason) => void;
}

/** Compares the serving generation with the server from now on, and draws the conclusions. */
export function compareServing(
  generation: Generation,
  source: RangeSource,
  comparing: Comparing,
): VerificationRounds {
  const { trust, clock, log, isServing, onCompared, onRepaired, reseed } = comparing;
  const { replica } = generation;

  function onDiverged(
    collection: ReplicaCollection,
    buckets: readonly number[],
    found: { readonly documents: number; readonly what: string },
  ): void {
    const loadsAnew = trust.diverged(collection, buckets, found);
    onCompared();
    if (loadsAnew) reseed('diverged');
  }

  function onVerified(collection: ReplicaCollection, verification: Verification): void {
    if (!isServing()) return;
    switch (verification.kind) {
      case 'behind':
        // It is compared again when it has caught up and a while is over.
        break;
      case 'same':
        trust.prove(generation, collection);
        break;
      case 'repaired': {
        const { buckets, documents } = verification;
        log.warn({ event: 'replica.repaired', collection, buckets, documents });
        trust.noteDifference(collection, buckets, documents);
        trust.prove(generation, collection);
        const position = replica.note.positions[collection];
        if (position !== undefined) onRepaired(collection, position);
        break;
      }
      case 'diverged': {
        const { buckets, documents } = verification;
        const what = 'it differs from the server after it was repaired';
        onDiverged(collection, buckets, { documents, what });
        break;
      }
    }
    onCompared();
  }

  return new VerificationRounds({
    replica,
    source,
    clock,
    log,
    onVerified,
    onRefused: (error) => {
      if (isFault(error, 'REP_EPOCH_CHANGED')) reseed('epoch');
      else if (isFault(error, 'REP_SNAPSHOT_REQUIRED')) reseed('expired');
      else if (!trust.proven) reseed('unproven');
    },
    onRowsDiffer: (collection, buckets) => {
      const what = 'the rows on the disk are not those that were written';
      onDiverged(collection, buckets, { documents: 0, what });
    },
  });
}
