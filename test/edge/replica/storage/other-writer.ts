// A writer of its own, as a process (`node other-writer.ts FILE [CANARY]`) or as a worker thread: opens collection
// `cards`, commits one card, leaves two thousand in an open transaction, says so, and stays until it is ended.
// With a number of commits in the worker's data it makes those, of two cards each, and ends.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { fillWithDefaultSettings } from 'rxdb';
import { getRxStorageSqlite } from '../../../../edge/replica/storage/storage.ts';
import type { SqliteStore } from '../../../../edge/replica/storage/store.ts';
import { card, cardSchema } from './card-collection.ts';
import type { Card } from './card-collection.ts';

/** What the parent hands a worker. */
interface Task {
  readonly file: string;
  readonly commits?: number;
}
// Only the tests beside this file start it.
const task: Task = isMainThread ? { file: String(process.argv[2]) } : (workerData as Task);
const canary = String(process.argv[3] ?? 'none');
let transactions = 0;

const storage = getRxStorageSqlite({
  file: task.file,
  key: new Uint8Array(32).fill(7),
  // Little memory, so that an open transaction must spill to the disk.
  cacheKiB: 64,
  beforeStatement: (operation) => {
    if (operation !== 'commit cards' || task.commits !== undefined) return;
    transactions += 1;
    if (transactions < 3) return;
    if (parentPort !== null) parentPort.postMessage('written');
    else process.stdout.write('written');
    // Holds the transaction open, as nothing in the storage itself would.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
});
try {
  const instance = await storage.createStorageInstance<Card>({
    databaseInstanceToken: 'token',
    databaseName: 'bare',
    collectionName: 'cards',
    schema: fillWithDefaultSettings(cardSchema),
    options: {},
    multiInstance: false,
    devMode: false,
  });
  // The instance was made with the card's schema.
  const store = instance.internals.sqlite as unknown as SqliteStore<Card>;
  for (let n = 0; n < (task.commits ?? 0); n += 1) store.bulkLoad([card(2 * n), card(2 * n + 1)]);
  if (task.commits !== undefined) {
    await instance.close();
    process.exit(0);
  }
  transactions = 1;
  store.bulkLoad([{ ...card(1), holder: canary }]);
  const many = Array.from({ length: 2_000 }, (_, n) => ({ ...card(n + 2), holder: canary, note: canary }));
  store.bulkLoad(many);
} catch (error) {
  process.stdout.write(error instanceof Error && 'code' in error ? String(error.code) : String(error));
}
