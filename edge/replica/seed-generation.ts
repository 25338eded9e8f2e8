import type { Clock } from '../../foundation/clock.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { SnapshotClient } from '../../sync/snapshot-client.ts';
import type { SnapshotQuestions } from '../../sync/snapshot-client.ts';
import type { Generation } from './generation.ts';
import { seedReplica } from './seeding/seed-replica.ts';

interface SeedingParts {
  readonly questions: SnapshotQuestions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly sliceMs: number;
  readonly onProgress: () => void;
}

/**
 * Loads a snapshot into a generation, where the server has one. Never rejects.
 *
 * - `follow`: the feed goes on from where the generation is now.
 * - `begin-again`: what was loaded so far is of no use any more.
 * - `without-snapshot`: so it is, and the same snapshot would fail the same way.
 * - `ended`: it was closed, or its file failed, and whoever must act on that has been told.
 */
export async function seedGeneration(
  generation: Generation,
  { questions, clock, random, log, sliceMs, onProgress }: SeedingParts,
): Promise<'follow' | 'begin-again' | 'without-snapshot' | 'ended'> {
  const { replica, ending } = generation;
  try {
    const outcome = await seedReplica({
      stores: { credentials: replica.store('credentials'), customers: replica.store('customers') },
      source: new SnapshotClient({ questions, clock, random, log }),
      clock,
      random,
      log,
      signal: ending.signal,
      sliceMs,
      onProgress: (event) => {
        generation.seeded = event;
        onProgress();
      },
    });
    if (ending.signal.aborted) return 'ended';
    switch (outcome.kind) {
      case 'loaded':
        replica.loadedUpTo(outcome.positions);
        return 'follow';
      case 'none':
        return 'follow';
      case 'outdated':
        return 'begin-again';
      case 'stopped':
        return 'ended';
    }
  } catch (error) {
    if (ending.signal.aborted || isFault(error, 'REP_POISONED')) return 'ended';
    log.error({ event: 'replica.seed.failed', generation: generation.number, error: asError(error) });
    return 'without-snapshot';
  }
}
