import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readKeyRing } from '../../edge/key-ring.ts';
import { CustomerReplica } from '../../edge/replica/customer-replica.ts';
import { openWriterInProcess } from '../../edge/replica/in-process-writer.ts';
import type { OpenWriter } from '../../edge/replica/replica-writer.ts';
import { writerInThread } from '../../edge/replica/thread/thread-writer.ts';
import type { Clock } from '../../foundation/clock.ts';
import { createLog } from '../../foundation/log.ts';
import type { Log } from '../../foundation/log.ts';
import type { Random } from '../../foundation/random.ts';
import { newSecret, writeSecretFile } from '../../foundation/secret-file.ts';
import { POPULATION_VERSION, Population } from '../../simulator/population.ts';
import { waitUntil } from '../../simulator/wait-until.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { projectFile } from '../support/run-program.ts';
import { PopulationFeed } from './population-feed.ts';

/** The programme the benchmark's till belongs to. */
export const BENCH_TENANT = 'bench';
/** The till whose replica it is. */
export const BENCH_TILL = 'bench-till';

/** A data folder of a till whose replica is full, and the keys it is opened with. */
export interface FilledTill {
  readonly dataFolder: string;
  readonly replicaFolder: string;
  readonly tillKeyFile: string;
  readonly identifierKeyFile: string;
  readonly serverPublicKeyFile: string;
}

/** How long filling may take, ms. */
const FILL_DEADLINE_MS = 900_000;
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

/** The program text that decides what a replica's file looks like, files and folders. */
const LAYOUT = [
  'edge/replica/storage',
  'edge/replica/collections.ts',
  'edge/replica/generation-files.ts',
  'edge/replica/replica-note.ts',
  'edge/replica/replica-seal.ts',
  'edge/replica/replica.ts',
  'sync/contract/range-hash.ts',
  'sync/contract/replica-documents.ts',
];

/** Changed text, another file. */
function storageFingerprint(): string {
  const hash = createHash('sha256');
  for (const path of LAYOUT.map(projectFile)) {
    const names = path.endsWith('.ts') ? [''] : readdirSync(path).toSorted();
    for (const name of names) {
      const file = join(path, name);
      if (file.endsWith('.ts')) hash.update(readFileSync(file));
    }
  }
  return hash.digest('hex').slice(0, 8);
}

/** Size of everything that belongs to the replica, in MB of a million bytes. */
export function replicaMb(till: FilledTill): number {
  const folder = till.replicaFolder;
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return Math.round(bytes / 1e5) / 10;
}

/** The files of a till in its folder. */
export function tillIn(relative: string): FilledTill {
  const folder = resolve(relative);
  return {
    dataFolder: join(folder, 'data'),
    replicaFolder: join(folder, 'data', 'replica'),
    tillKeyFile: join(folder, 'till.key'),
    identifierKeyFile: join(folder, 'identifier.key'),
    serverPublicKeyFile: join(folder, 'server-public.pem'),
  };
}

/** Makes keys and fills the replica of the till in `folder` the way a real one is: it pulls, page after page. */
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
  const feed = new PopulationFeed(
    new Population(customers),
    new BlindIndexer(keys.identifier, BENCH_TENANT),
    clock.now(),
  );
  const log = createLog({ name: 'fill', level: 'warn' });
  const replica = await openReplica(till, openWriterInProcess, { clock, random, log });
  try {
    replica.follow(feed);
    await waitUntil(async () => (replica.caughtUpAt === null ? undefined : true), {
      clock,
      deadlineMs: FILL_DEADLINE_MS,
      everyMs: 100,
      what: 'a full replica',
    });
  } finally {
    await replica.close();
  }
}

/** The replica of a till as its daemon has it. */
export function openFilledReplica(till: FilledTill, ports: Ports): Promise<CustomerReplica> {
  return openReplica(till, writerInThread(), ports);
}

interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

function openReplica(till: FilledTill, openWriter: OpenWriter, ports: Ports): Promise<CustomerReplica> {
  const { replica } = readKeyRing(till);
  const owner = `${BENCH_TENANT}/${BENCH_TILL}`;
  return CustomerReplica.open(
    { folder: till.replicaFolder, key: replica, owner, openWriter },
    { ...ports, onChange: () => {} },
  );
}
