import { statSync } from 'node:fs';
import { asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { Replica } from './replica.ts';
import type { SeedingProgress } from './replica-writer.ts';
import type { SeedEvent } from './seeding/seed-meter.ts';
import type { VerificationRounds } from './verification/verification-rounds.ts';

/** A file of a replica, open to be written. */
export interface Generation {
  readonly number: number;
  readonly replica: Replica;
  /** Aborted when it is to be closed. */
  readonly ending: AbortController;
  rounds?: VerificationRounds;
  seeded?: SeedEvent;
}

/** Closes it, whatever it is doing. Never rejects. */
export async function endGeneration(generation: Generation | undefined, log: Log): Promise<void> {
  try {
    generation?.ending.abort();
    const closing = generation?.rounds?.close();
    await generation?.replica.close();
    // Of a loading that still waits for an answer nothing is awaited: it finds the file closed.
    await closing;
  } catch (error) {
    log.warn({ event: 'replica.close.failed', error: asError(error) });
  }
}

/** How far the loading of it is. */
export function progressOf({ number: generation, replica, seeded }: Generation): SeedingProgress {
  if (seeded === undefined || seeded.phase === 'loaded' || seeded.documentsTotal === 0) {
    const phase = seeded?.phase === 'loaded' ? 'catching-up' : 'loading';
    return { generation, phase, documents: documentsIn(replica), documentsTotal: null, ratePerSecond: null };
  }
  const { phase, documents, documentsTotal, ratePerSecond } = seeded;
  const isPreparing = phase === 'asking' || phase === 'waiting';
  return {
    generation,
    phase: isPreparing ? 'preparing' : 'loading',
    documents,
    documentsTotal,
    ratePerSecond,
  };
}

/** None when it cannot be told: it fails, and whoever must act on that is told elsewhere. */
function documentsIn(replica: Replica): number {
  try {
    return replica.documents;
  } catch {
    return 0;
  }
}

/** @throws Error when a WAL that is not empty lies beside a closed file */
export function requireFoldedBack(file: string): void {
  const wal = statSync(`${file}-wal`, { throwIfNoEntry: false });
  if (wal !== undefined && wal.size > 0) throw new Error(`${file} was not closed by all its readers`);
}
