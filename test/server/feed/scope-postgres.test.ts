import { afterAll, beforeAll, beforeEach, describe } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { Database } from '../../../server/database/database.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { scopeSuite } from './scope.suite.ts';

const ports = { clock: new SystemClock(), random: new SystemRandom(), log: silentLog };

describe('the scope of replicas on PostgreSQL', () => {
  let postgres: TestPostgres | { readonly missing: string };
  let database: Database;
  beforeAll(async () => {
    postgres = await startPostgres();
    if ('url' in postgres) database = await Database.open({ url: postgres.url }, ports);
  });
  beforeEach((context) => {
    if ('missing' in postgres) context.skip(postgres.missing);
  });
  afterAll(async () => {
    await database?.close();
    if ('url' in postgres) await postgres.close();
  });

  scopeSuite(() => database, 5);
});
