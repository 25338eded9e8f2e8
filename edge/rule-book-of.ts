import type { Clock, Instant } from '../foundation/clock.ts';
import type { OfferDocument, ProgrammeDocument } from '../sync/contract/replica-documents.ts';
import { isWithin } from './age.ts';
import type { RuleBook } from './sale/rule-book.ts';

/** The rules in force, read from the replica each time they are asked for. */
export function ruleBookOf(
  replica: {
    readonly programme: ProgrammeDocument | undefined;
    readonly offers: readonly OfferDocument[];
    readonly caughtUpAt: Instant | null;
  },
  clock: Clock,
): () => RuleBook {
  return () => {
    const { programme, offers, caughtUpAt } = replica;
    const stale = programme === undefined || !isWithin(caughtUpAt, clock.now(), programme.staleAfterMs);
    return { programme, offers, stale };
  };
}
