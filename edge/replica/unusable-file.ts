import type { Clock } from '../../foundation/clock.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { StammkundeError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { GenerationFiles } from './generation-files.ts';

/** True for what no second attempt mends: the file has to go, and its documents come from the server again. */
export function isUnusable(error: unknown): error is StammkundeError {
  return isFault(error, 'REP_CORRUPT') || isFault(error, 'REP_OUTDATED') || isFault(error, 'REP_FOREIGN');
}

/**
 * Takes a generation's file away, closed as it is: a damaged one is set aside, any other removed. One that cannot be,
 * because somebody else has it open, stays: it is in nobody's way.
 */
export function discard(
  generation: number,
  reason: unknown,
  { files, clock, log }: { readonly files: GenerationFiles; readonly clock: Clock; readonly log: Log },
): void {
  const error = asError(reason);
  if (isFault(error, 'REP_OUTDATED')) {
    log.warn({ event: 'replica.outdated', generation, error });
  } else if (isFault(error, 'REP_FOREIGN')) {
    log.error({ event: 'replica.foreign', generation, error });
  } else {
    log.error({ event: 'replica.damaged', generation, error });
  }
  try {
    if (isFault(error, 'REP_CORRUPT')) {
      const aside = files.setAside(generation, clock.now());
      log.info({ event: 'replica.set-aside', generation, aside });
    }
    files.remove(generation);
  } catch (failure) {
    log.warn({ event: 'replica.remove.failed', generation, error: asError(failure) });
  }
}
