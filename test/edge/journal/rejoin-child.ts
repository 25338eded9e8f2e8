// Lets the till of a folder rejoin; its parent watches what is written.
import { join } from 'node:path';
import { rejoin } from '../../../edge/journal/rejoin.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { KEY } from './journal-fixture.ts';

const file = join(process.argv[2] ?? '', 'journal.db');
const ports = { clock: new ManualClock(), random: new SystemRandom(), log: silentLog };
await rejoin({ file, key: KEY, till: 'till-1', ...ports }, true);
