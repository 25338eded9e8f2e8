import type { Instant } from '../../foundation/clock.ts';
import type { OfferDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import { isWithin } from '../age.ts';

/** The rules in force, as the replica holds them at this moment. */
export interface RuleBook {
  /** undefined before the first pull. */
  readonly programme: ProgrammeDocument | undefined;
  readonly offers: readonly OfferDocument[];
  /** True when the replica is too old to rely on a consent it holds, or may be. */
  readonly stale: boolean;
}

/** Whether what was true `at` is too old by now to rely on a consent in it. */
export function isTooOld(at: Instant, { programme }: RuleBook, now: Instant): boolean {
  return programme === undefined || !isWithin(at, now, programme.staleAfterMs);
}
