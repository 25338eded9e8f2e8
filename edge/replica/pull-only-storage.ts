import type { RxStorage, RxStorageInstance, RxStorageInstanceCreationParams } from 'rxdb';
import { isFault } from '../../foundation/errors.ts';

/** How RxDB names the collections in which it keeps the checkpoints of replications. */
const BOOKKEEPING = 'rx-replication-meta-';

/**
 * The same storage as a replication that only pulls should see it.
 *
 * It has no local changes: RxDB looks for those to push even where nothing is pushed, at each start and each resync,
 * and would read through all documents for it.
 *
 * And its bookkeeping never learns of a poisoned base: those calls get no answer until `closing`, and then an empty
 * one, with which a replication that is being cancelled does nothing. RxDB awaits neither the reading nor the writing
 * of a checkpoint: a rejection there ends in `unhandledRejection`, and keeps the database from ever closing.
 */
export function pullOnly<Internals, Options>(
  storage: RxStorage<Internals, Options>,
  closing: AbortSignal,
): RxStorage<Internals, Options> {
  const closed = new Promise<void>((resolve) => {
    closing.addEventListener('abort', () => resolve(), { once: true });
  });

  async function quietly<T>(call: Promise<T>, nothing: T): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (!isFault(error, 'REP_POISONED')) throw error;
      await closed;
      return nothing;
    }
  }

  return {
    name: storage.name,
    rxdbVersion: storage.rxdbVersion,
    async createStorageInstance<T>(
      params: RxStorageInstanceCreationParams<T, Options>,
    ): Promise<RxStorageInstance<T, Internals, Options>> {
      const instance = await storage.createStorageInstance<T>(params);
      if (params.collectionName.startsWith(BOOKKEEPING)) {
        const find = instance.findDocumentsById.bind(instance);
        const write = instance.bulkWrite.bind(instance);
        instance.findDocumentsById = (ids, deleted) => quietly(find(ids, deleted), []);
        instance.bulkWrite = (rows, context) => quietly(write(rows, context), { error: [] });
      } else {
        instance.getChangedDocumentsSince = (_limit, checkpoint: unknown) =>
          Promise.resolve({ documents: [], checkpoint });
      }
      return instance;
    },
  };
}
