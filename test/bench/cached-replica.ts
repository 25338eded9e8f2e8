import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createRxDatabase } from 'rxdb';
import { readKeyRing } from '../../edge/key-ring.ts';
import { replicaSchemas } from '../../edge/replica/collections.ts';
import { getRxStorageSqlite, sqliteStoreOf } from '../../edge/replica/storage/storage.ts';
import type { SqliteStore } from '../../edge/replica/storage/instance.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { Random } from '../../foundation/random.ts';
import { newSecret, writeSecretFile } from '../../foundation/secret-file.ts';
import { demoOffers, demoProgramme } from '../../simulator/demo-programme.ts';
import { POPULATION_VERSION, Population } from '../../simulator/population.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';

/** The programme the benchmark's till belongs to. */
export const BENCH_TENANT = 'bench';

/** A data folder of a till whose replica is full, and the keys it is opened with. */
export interface FilledTill {
  readonly dataFolder: string;
  readonly replicaFile: string;
  readonly tillKeyFile: string;
  readonly identifierKeyFile: string;
  readonly serverPublicKeyFile: string;
}

/** Documents loaded in one transaction. */
const CHUNK = 5_000;
/** Note of a replica that holds everything: only what is complete is used again. */
const COMPLETE = 'complete';

/**
 * A till with `customers` customers, from the cache when it was filled before. The folder's name tells everything its
 * content depends on, so a changed population or storage fills another one.
 * @param cacheFolder an ignored folder
 */
export async function filledTill(
  customers: number,
  cacheFolder: string,
  { clock, say }: { readonly clock: Clock; readonly say: (line: string) => void },
): Promise<FilledTill> {
  const folder = join(cacheFolder, `till-v${POPULATION_VERSION}-${storageFingerprint()}-${customers}`);
  if (!existsSync(join(folder, COMPLETE))) {
    const unfinished = `${folder}.unfinished`;
    rmSync(folder, { recursive: true, force: true });
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(join(unfinished, 'data', 'replica'), { recursive: true, mode: 0o700 });
    const startedMs = clock.monotonicMs();
    say(`filling a replica with ${customers} customers (kept for the next run) …`);
    // In a process of its own: a heap that once held a million of anything would disturb what is measured next.
    const program = fileURLToPath(new URL('./fill-main.ts', import.meta.url));
    await promisify(execFile)(process.execPath, [program, unfinished, String(customers)]);
    say(`… took ${((clock.monotonicMs() - startedMs) / 1000).toFixed(1)} s`);
    await writeFile(join(unfinished, COMPLETE), '');
    renameSync(unfinished, folder);
  }
  return tillIn(folder);
}

/** Of the program text that decides what a replica file looks like: changed text, another file. */
function storageFingerprint(): string {
  const replica = fileURLToPath(new URL('../../edge/replica/', import.meta.url));
  const storage = join(replica, 'storage');
  const files = readdirSync(storage)
    .toSorted()
    .map((name) => join(storage, name));
  const hash = createHash('sha256');
  for (const file of [join(replica, 'collections.ts'), ...files]) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 8);
}

/** Size of everything that belongs to the replica, in MB of a million bytes. */
export function replicaMb(till: FilledTill): number {
  const folder = join(till.dataFolder, 'replica');
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return Math.round(bytes / 1e5) / 10;
}

function tillIn(relative: string): FilledTill {
  const folder = resolve(relative);
  return {
    dataFolder: join(folder, 'data'),
    replicaFile: join(folder, 'data', 'replica', 'replica-000001.db'),
    tillKeyFile: join(folder, 'till.key'),
    identifierKeyFile: join(folder, 'identifier.key'),
    serverPublicKeyFile: join(folder, 'server-public.pem'),
  };
}

/** Makes keys and fills the replica of the till in `folder`, which has nothing but an empty `data/replica`. */
export async function fillTill(
  folder: string,
  customers: number,
  clock: Clock,
  random: Random,
): Promise<void> {
  const till = tillIn(folder);
  writeSecretFile(till.tillKeyFile, newSecret(random), 'owner');
  writeSecretFile(till.identifierKeyFile, newSecret(random), 'owner');
  const { publicKey } = generateKeyPairSync('ed25519');
  await writeFile(till.serverPublicKeyFile, publicKey.export({ type: 'spki', format: 'pem' }));

  const keys = readKeyRing(till);
  const indexer = new BlindIndexer(keys.identifier, BENCH_TENANT);
  const database = await createRxDatabase({
    name: 'replica',
    storage: getRxStorageSqlite({ file: till.replicaFile, key: keys.replica }),
    multiInstance: false,
    eventReduce: false,
  });
  try {
    const collections = await database.addCollections({
      credentials: { schema: replicaSchemas.credentials },
      customers: { schema: replicaSchemas.customers },
      offers: { schema: replicaSchemas.offers },
      programme: { schema: replicaSchemas.programme },
      note: { schema: replicaSchemas.note },
    });
    const population = new Population(customers);
    load(sqliteStoreOf(collections.customers), customerDocuments(population));
    load(sqliteStoreOf(collections.credentials), credentialDocuments(population, indexer));
    load(sqliteStoreOf(collections.offers), demoOffers(clock.now()));
    load(sqliteStoreOf(collections.programme), [demoProgramme]);
    load(sqliteStoreOf(collections.note), [{ id: 'note', caughtUpAt: clock.now(), epoch: 'bench' }]);
  } finally {
    await database.close();
  }
}

function load<T>(store: SqliteStore<T>, documents: Iterable<T>): void {
  let chunk: T[] = [];
  const flush = (): void => {
    const { skipped } = store.bulkLoad(chunk);
    if (skipped > 0) throw new Error(`${skipped} documents were there twice`);
    chunk = [];
  };
  for (const document of documents) {
    chunk.push(document);
    if (chunk.length === CHUNK) flush();
  }
  flush();
}

/** Documents in the order of their ids, in which they load many times faster; only ids and ordinals are held at once. */
function* customerDocuments(population: Population): Generator<CustomerDocument> {
  const byId: { readonly key: string; readonly ordinal: number }[] = [];
  for (const { id, ordinal } of population.members()) byId.push({ key: id, ordinal });
  for (const { ordinal } of sorted(byId)) {
    const { id, status, tier, purposes, joinedAt } = population.member(ordinal);
    const greeting = purposes.includes('greeting') ? `Gast ${ordinal % 1000}` : null;
    const points = (ordinal * 37) % 10_000;
    yield { id, status, tier, points, pointsAt: joinedAt, purposes: [...purposes], greeting };
  }
}

function* credentialDocuments(population: Population, indexer: BlindIndexer): Generator<CredentialDocument> {
  const byIndex: { readonly key: string; readonly ordinal: number; readonly nth: number }[] = [];
  for (const { ordinal, cards } of population.members()) {
    for (const [nth, { kind, number }] of cards.entries()) {
      byIndex.push({ key: indexer.index(kind, number), ordinal, nth });
    }
  }
  for (const { key, ordinal, nth } of sorted(byIndex)) {
    const { id, cards } = population.member(ordinal);
    const card = cards[nth];
    if (card === undefined) throw new Error('the same customer has other cards when made again');
    yield {
      index: key,
      kind: card.kind,
      customerId: id,
      status: card.status,
      validUntil: card.validUntil,
    };
  }
}

/** Sorted by UTF-16 code units, which for ASCII is SQLite's order too. */
function sorted<T extends { readonly key: string }>(entries: T[]): T[] {
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}
