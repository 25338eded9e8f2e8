// Loads a snapshot into the file named on the command line, for tests that kill it meanwhile.
import { seedReplica } from '../../../../edge/replica/seeding/seed-replica.ts';
import { SystemClock } from '../../../../foundation/clock.ts';
import { silentLog } from '../../../../foundation/log.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import { madeBase, openSeedFile, SnapshotServer } from './seed-fixture.ts';

const [file = '', customers = ''] = process.argv.slice(2);
const opened = await openSeedFile(file);
const outcome = await seedReplica({
  stores: opened.stores,
  source: new SnapshotServer(madeBase(Number(customers))),
  clock: new SystemClock(),
  random: new SeededRandom(1),
  log: silentLog,
  signal: new AbortController().signal,
  sliceMs: 2,
  onProgress: ({ phase, documents }) => process.stdout.write(`${phase} ${documents}\n`),
});
await opened.close();
process.stdout.write(`${outcome.kind}\n`);
