import { isRefusedValue } from '../database/faults.ts';

/**
 * Commits one entry; when the database does not take what it says, it is kept as refused.
 * @param commit commits it, given the ids of entries to keep as refused
 * @param onRefused told why, once it is kept so
 * @throws what else keeps it from being committed
 */
export async function commitRefusable<T>(
  id: string,
  commit: (unpostable: ReadonlySet<string>) => Promise<T>,
  onRefused: (why: unknown) => void,
): Promise<T> {
  // What another server committed at the same time can be in the way once, not twice.
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await commit(new Set());
    } catch (error) {
      if (!isRefusedValue(error)) throw error;
      if (attempt === 0) continue;
      const outcome = await commit(new Set([id]));
      onRefused(error);
      return outcome;
    }
  }
}
