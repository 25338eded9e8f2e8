import type { Instant } from '../../foundation/clock.ts';
import { isWithin } from '../age.ts';
import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';

/**
 * How old a replica may be whose "no such card" is the last word, ms. A till with a network catches up every minute, so
 * what is older has missed some; a card printed or given out meanwhile is looked up.
 */
const FINAL_WITHIN_MS = 5 * 60_000;

/**
 * Whether a card the replica does not know is a card nobody knows: it must hold the whole customer base, and have held
 * all of it just now.
 */
export function isFinal(
  replica: { readonly caughtUpAt: Instant | null; readonly holdsEverything: boolean },
  now: Instant,
): boolean {
  const { caughtUpAt, holdsEverything } = replica;
  return holdsEverything && isWithin(caughtUpAt, now, FINAL_WITHIN_MS);
}

/** Whether tills hold the whole customer base by the programme in force. */
export function holdsEverything(programme: ProgrammeDocument | undefined): boolean {
  return (programme?.replica?.scope.by ?? 'all') === 'all';
}
