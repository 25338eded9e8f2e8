import { StammkundeError } from '../../../foundation/errors.ts';
import type { z } from 'zod';
import type { SnapshotManifest } from '../../../sync/contract/snapshot.ts';
import { parseJson } from '../../../sync/contract/wire.ts';
import type { Mark } from '../storage/marks.ts';
import type { SqliteStore } from '../storage/store.ts';
import { PLAN_MARK, PROGRESS_MARK, SeedPlan, SeedProgress } from './seed-plan.ts';

/** Plan and progress of a loading, as they stand in the file that is loaded. */
export class SeedMarks {
  readonly #store: Pick<SqliteStore<never>, 'readMark'>;

  constructor(store: Pick<SqliteStore<never>, 'readMark'>) {
    this.#store = store;
  }

  /** @throws StammkundeError REP_SEED_INCOMPLETE when it is none of this program's · REP_POISONED */
  plan(): SeedPlan | undefined {
    return this.#read(PLAN_MARK, SeedPlan);
  }

  /** @throws as {@link plan} */
  progress(): SeedProgress | undefined {
    return this.#read(PROGRESS_MARK, SeedProgress);
  }

  planned(plan: SeedPlan): Mark {
    return { name: PLAN_MARK, text: JSON.stringify(plan satisfies SeedPlan) };
  }

  noPlan(): Mark {
    return { name: PLAN_MARK, text: null };
  }

  loading(chunk: number, documents: number): Mark {
    return progressMark({ state: 'loading', chunk, documents });
  }

  finished(positions: SnapshotManifest['positions'], documents: SnapshotManifest['documents']): Mark {
    return progressMark({ state: 'loaded', positions, documents });
  }

  #read<T extends z.ZodType>(name: string, schema: T): z.infer<T> | undefined {
    const text = this.#store.readMark(name);
    if (text === undefined) return undefined;
    const result = schema.safeParse(parseJson(text));
    if (result.success) return result.data;
    throw new StammkundeError('REP_SEED_INCOMPLETE', `${name} was written by another version`);
  }
}

function progressMark(progress: SeedProgress): Mark {
  return { name: PROGRESS_MARK, text: JSON.stringify(progress) };
}
