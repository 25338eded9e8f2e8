import { afterAll, beforeAll, describe } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { Database } from '../../../server/database/database.ts';
import { rangesSuite } from './ranges.suite.ts';

describe('range hashes on the embedded database', () => {
  let database: Database;
  beforeAll(async () => {
    database = await Database.open(
      { memory: true },
      { clock: new SystemClock(), random: new SystemRandom(), log: silentLog },
    );
  });
  afterAll(() => database.close());

  rangesSuite(() => database, 2);
});
