import type { FeedUrgent } from '../sync/contract/messages.ts';

/** Whom to tell of changes that tills replicate, after the commit. */
export interface Changes {
  /** Something changed; the tills learn of it with the next head. */
  changed(): void;
  /** This must be effective at every till at once, ahead of the feed. */
  urgent(change: FeedUrgent): void;
}
