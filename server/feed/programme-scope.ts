import { createHash } from 'node:crypto';
import type { StoreId } from '../../sync/contract/ids.ts';
import type { ReplicaScope } from '../../sync/contract/replica-scope.ts';
import type { Queries } from '../database/database.ts';
import { currentProgramme } from '../programme/programme-store.ts';
import { EVERYTHING } from './scope.ts';
import type { FeedScope } from './scope.ts';

/** Ends the part of those who did not buy for long; no store has it in its name. */
const DORMANT = '~';

/** The part of the customer base of who bought last in a store; without one, they belong to every scope. */
function partOf(store: StoreId | null, isDormant: boolean): string {
  return `${store ?? ''}${isDormant ? DORMANT : ''}`;
}

/**
 * What a till in this store holds. A till that does not say where it stands holds all there are: it would otherwise be
 * left without customers by a setting it does not know.
 */
export function scopeFor(setting: ReplicaScope | undefined, store: StoreId | undefined): FeedScope {
  if (setting === undefined || setting.by === 'all' || store === undefined) return EVERYTHING;
  const region =
    setting.by === 'region' ? setting.regions.find(({ stores }) => stores.includes(store)) : undefined;
  const stores = [null, ...(region?.stores ?? [store])];
  const parts = stores.flatMap((each) =>
    setting.activeWithinDays === undefined
      ? [partOf(each, false), partOf(each, true)]
      : [partOf(each, false)],
  );
  const sorted = parts.toSorted();
  return {
    parts: sorted,
    name: createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16),
  };
}

/** The setting of the programme in force. */
export async function readScopeSetting(db: Queries): Promise<ReplicaScope | undefined> {
  return (await currentProgramme(db))?.replica?.scope;
}

/** What a till in this store holds by the programme in force. */
export async function scopeOfStore(db: Queries, store: StoreId | undefined): Promise<FeedScope> {
  return store === undefined ? EVERYTHING : scopeFor(await readScopeSetting(db), store);
}
