import { afterAll, beforeAll, beforeEach } from 'vitest';
import { SystemClock } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { Database } from '../../server/database/database.ts';
import { startPostgres } from '../support/postgres.ts';
import type { TestPostgres } from '../support/postgres.ts';

/** What a database of a suite is opened with. */
export const suitePorts = { clock: new SystemClock(), random: new SystemRandom(), log: silentLog };

/** A database for the tests of the surrounding `describe`, there from the first of them on. */
export interface SuiteDatabase {
  database(): Database;
  /** One more connection to it, closed by whoever asked. */
  another(): Promise<Database>;
  /** Where it is. */
  url(): string;
}

/** On a PostgreSQL of the suite's own; where there is none its tests are left out, saying why. */
export function onPostgres(): SuiteDatabase {
  let postgres: TestPostgres | { readonly missing: string };
  let database: Database;
  const url = (): string => ('url' in postgres ? postgres.url : '');
  const open = (): Promise<Database> => Database.open({ url: url() }, suitePorts);
  beforeAll(async () => {
    postgres = await startPostgres();
    if ('url' in postgres) database = await open();
  }, 60_000);
  beforeEach((context) => {
    if ('missing' in postgres) context.skip(postgres.missing);
  });
  afterAll(async () => {
    await database?.close();
    if ('url' in postgres) await postgres.close();
  });
  return { database: () => database, another: open, url };
}

/** On the embedded database, in memory. */
export function onEmbedded(): Pick<SuiteDatabase, 'database'> {
  let database: Database;
  beforeAll(async () => {
    database = await Database.open({ memory: true }, suitePorts);
  }, 60_000);
  afterAll(() => database.close());
  return { database: () => database };
}

/** The database without its second try after a deadlock: whoever is given it shows that there was one. */
export function withoutRetry(database: Database): Database {
  const once: Database['transaction'] = (work) => database.db.transaction().execute(work);
  return new Proxy(database, {
    get: (target, name): unknown => (name === 'transaction' ? once : Reflect.get(target, name, target)),
  });
}
