import { SystemClock } from '../../foundation/clock.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { fillTill } from './cached-replica.ts';

const [folder = '', customers = ''] = process.argv.slice(2);
await fillTill(folder, Number(customers), new SystemClock(), new SystemRandom());
