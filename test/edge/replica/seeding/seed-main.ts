// Loads a snapshot into the file named on the command line, and kills itself after so many steps: killed from outside,
// a quick machine would be through before.
import { writeSync } from 'node:fs';
import { seedReplica } from '../../../../edge/replica/seeding/seed-replica.ts';
import { SystemClock } from '../../../../foundation/clock.ts';
import { silentLog } from '../../../../foundation/log.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import { madeBase, openSeedFile, SnapshotServer } from './seed-fixture.ts';

const [file = '', customers = '', killAfter = ''] = process.argv.slice(2);
let steps = 0;
const opened = await openSeedFile(file);
const outcome = await seedReplica({
  stores: opened.stores,
  source: new SnapshotServer(madeBase(Number(customers))),
  clock: new SystemClock(),
  random: new SeededRandom(1),
  log: silentLog,
  signal: new AbortController().signal,
  sliceMs: 2,
  onProgress: ({ phase, documents }) => {
    writeSync(1, `${phase} ${documents}\n`);
    steps += 1;
    if (steps >= Number(killAfter)) process.kill(process.pid, 'SIGKILL');
  },
});
await opened.close();
process.stdout.write(`${outcome.kind}\n`);
