import type { Instant } from '../../foundation/clock.ts';

export const consentDecisions = ['granted', 'refused', 'withdrawn', 'expired', 'invalidated'] as const;
export type ConsentDecision = (typeof consentDecisions)[number];

/** What decides of a consent event. */
export interface ConsentMark {
  readonly decision: ConsentDecision;
  /** By the clock of where it happened. */
  readonly occurredAt: Instant;
  /** By the server's clock. */
  readonly recordedAt: Instant;
}

/** `none`: never granted. */
export type ConsentState = 'granted' | 'ended' | 'none';

/**
 * Whether a consent holds, of all events about it, in whatever order they are given. A grant holds only when it came
 * after every event that ends a consent, and no clock says otherwise: where both happened at the same instant, or the
 * order of happening and the order of recording differ, the consent has ended.
 */
export function consentState(events: readonly ConsentMark[]): ConsentState {
  const grants = events.filter(({ decision }) => decision === 'granted');
  if (grants.length === 0) return 'none';
  const ends = events.filter(({ decision }) => decision !== 'granted');
  return grants.some((grant) => ends.every((end) => outlasts(grant, end))) ? 'granted' : 'ended';
}

function outlasts(grant: ConsentMark, end: ConsentMark): boolean {
  return grant.occurredAt > end.occurredAt && grant.recordedAt >= end.recordedAt;
}
