import type { OfferDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';

/** The rules in force, as the replica holds them at this moment. */
export interface RuleBook {
  /** undefined before the first pull. */
  readonly programme: ProgrammeDocument | undefined;
  readonly offers: readonly OfferDocument[];
  /** True when the replica is too old to rely on a consent it holds. */
  readonly stale: boolean;
}
