import type { OpenWriter } from './replica-writer.ts';

/** About as long as loading a snapshot holds up a lookup. */
const SLICE_MS = 2;

/**
 * A writer in this very thread, on the clock and with the randomness it is given: for tests, and for simulations. Writing
 * holds up lookups by a transaction each.
 */
export const openWriterInProcess: OpenWriter = async (start, ports) => {
  // Only now: lookups need no RxDB.
  const { ReplicaKeeper } = await import('./replica-keeper.ts');
  return ReplicaKeeper.open({ ...start, sliceMs: SLICE_MS }, ports);
};
