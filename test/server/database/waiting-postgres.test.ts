// Goal: whoever asks the database gets an answer or a fault with a code, however large the tables are, whoever else works
// on them, and whatever the network swallows. Method: a real PostgreSQL, held up by other connections and by a way to it
// that falls silent.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { ADVISORY_LOCKS } from '../../../server/database/advisory-locks.ts';
import { Database } from '../../../server/database/database.ts';
import { establishEpoch } from '../../../server/database/epoch.ts';
import { migrate } from '../../../server/database/migrate.ts';
import { connectForUpkeep } from '../../../server/database/postgres.ts';
import type { Connections } from '../../../server/database/postgres.ts';
import { currentProgramme, putProgramme } from '../../../server/programme/programme-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startPostgres } from '../../support/postgres.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { programme } from '../programme.ts';
import { migrateTo, SilentWay, ToldEvents } from './postgres-world.ts';

const ports = { clock: new SystemClock(), random: new SystemRandom(), log: silentLog };
/** What PostgreSQL ends a statement after in these tests, where nobody says otherwise. */
const SHORT_MS = 700;

describe('waiting for PostgreSQL', () => {
  let postgres: TestPostgres | { readonly missing: string };
  let beside: Connections;
  let watcher: Connections;

  beforeAll(async () => {
    postgres = await startPostgres();
    beside = connectForUpkeep(url(), ports);
    watcher = connectForUpkeep(url(), ports);
  }, 60_000);
  beforeEach((context) => {
    if ('missing' in postgres) context.skip(postgres.missing);
  });
  afterAll(async () => {
    await beside.close();
    await watcher.close();
    if ('url' in postgres) await postgres.close();
  });

  const url = (): string => ('url' in postgres ? postgres.url : 'postgres://127.0.0.1:1/none');

  /** Resolves when `n` statements of others have been waiting for a lock for longer than `ms`. */
  async function waiting(n: number, ms: number): Promise<void> {
    for (;;) {
      const { rows } = await sql<{ n: number }>`
        select count(*) as n from pg_stat_activity
        where wait_event_type = 'Lock' and clock_timestamp() - query_start > ${`${ms}ms`}::interval`.execute(
        watcher.db,
      );
      if ((rows[0]?.n ?? 0) >= n) return;
    }
  }
  test('a migration takes as long as it takes, and a server that starts meanwhile waits for it', async () => {
    await migrateTo(url(), '0005-consent-events');
    const impatient = `${url()}&statement_timeout=${SHORT_MS}`;
    const log = new ToldEvents();
    const awaited = log.next('database.migration_awaited');
    const opening = beside.db.transaction().execute(async (tx) => {
      await sql`lock table customer in row exclusive mode`.execute(tx);
      const first = Database.open({ url: impatient }, { ...ports, log });
      await waiting(1, 0);
      const second = Database.open({ url: impatient }, { ...ports, log });
      await Promise.race([awaited, first, second]);
      await waiting(2, SHORT_MS * 1.5);
      return [first, second] as const;
    });
    const [first, second] = await Promise.all(await opening);
    expect(second.epoch).toBe(first.epoch);
    expect(log.events.filter((event) => event === 'database.migrated')).not.toHaveLength(0);
    expect(log.events.filter((event) => event === 'database.migration_awaited')).toHaveLength(1);
    await Promise.all([first.close(), second.close()]);
  });

  test('a server waits for another’s migration for a while, and says what it waited for', async () => {
    const own = connectForUpkeep(url(), ports);
    await beside.db.transaction().execute(async (tx) => {
      await sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.migration}::bigint)`.execute(tx);
      await expect(migrate(own.db, ports, { waitMs: 50 })).rejects.toMatchObject({
        code: 'DB_MIGRATION_AWAITED',
      });
    });
    await migrate(own.db, ports, { waitMs: 50 });
    await own.close();
  });

  test('the second server that starts on a restored database waits for the first, or says what it waited for', async () => {
    const own = connectForUpkeep(url(), ports);
    await migrate(own.db, ports, { lockMs: 20 });
    const epoch = await establishEpoch(own.db, ports);
    const second = await beside.db.transaction().execute(async (tx) => {
      await sql`select value from server_meta where name = 'epoch' for update`.execute(tx);
      await expect(establishEpoch(own.db, { ...ports, waitMs: 50 })).rejects.toMatchObject({
        code: 'DB_MIGRATION_AWAITED',
      });
      const establishing = establishEpoch(own.db, ports);
      await Promise.race([waiting(1, 100), establishing]);
      return { establishing };
    });
    expect(await second.establishing).toBe(epoch);
    await own.close();
  });

  // A writer has a customer and goes on to its card. A migration that took the cards first would end one of them.
  test('a migration lets a long statement go first, and neither it nor the writers behind it are ended', async () => {
    await migrateTo(url(), '0005-consent-events');
    const clock = new ManualClock();
    const log = new ToldEvents();
    const own = connectForUpkeep(url(), ports);
    const migrating = await beside.db.transaction().execute(async (tx) => {
      await sql`lock table credential in row exclusive mode`.execute(tx);
      const delayed = log.next('database.migration_delayed');
      const work = migrate(own.db, { clock, log }, { lockMs: 20 });
      await Promise.race([delayed, work]);
      await sql`lock table customer in row exclusive mode`.execute(tx);
      return { work };
    });
    const done = migrating.work.then(() => 'done');
    for (let step = clock.advance(2_000); ; step = clock.advance(2_000)) {
      await step;
      const turn = new Promise((resolve) => setImmediate(() => resolve('goes on')));
      if ((await Promise.race([done, turn])) === 'done') break;
    }
    await own.close();
    expect(log.events).toContain('database.migrated');
  });

  test('what the network swallows ends as DB_UNREACHABLE, and the next one gets another connection', async () => {
    const way = await SilentWay.to(url());
    const clock = new ManualClock();
    const database = await Database.open({ url: way.url }, { ...ports, clock });
    const idle = [1, 2, 3].map(() => sql`select pg_sleep(0.05)`.execute(database.db));
    await Promise.all(idle);
    const swallowed = way.fallSilent();
    const asked = Promise.allSettled([
      database.transaction(async (tx) => {
        await sql`select 1`.execute(tx);
      }),
      sql`select 1`.execute(database.db),
      database.ping(),
    ]);
    await swallowed;
    while (clock.pending < 3) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(35_000);
    for (const outcome of await asked) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'DB_UNREACHABLE' } });
    }
    way.recover();
    await database.ping();
    await database.close();
    await way.close();
  });

  test('what was taken back because of a deadlock is done again', async () => {
    const database = await Database.open({ url: url() }, ports);
    await sql`create table if not exists pair (id int primary key, n int not null)`.execute(database.db);
    await sql`insert into pair values (1, 0), (2, 0) on conflict (id) do update set n = 0`.execute(
      database.db,
    );
    let locked = 0;
    const both = Promise.withResolvers<void>();
    const add = (order: readonly number[]): Promise<void> =>
      database.transaction(async (tx) => {
        for (const id of order) {
          await sql`update pair set n = n + 1 where id = ${id}::int`.execute(tx);
          locked += 1;
          if (locked === 2) both.resolve();
          await both.promise;
        }
      });
    await Promise.all([add([1, 2]), add([2, 1])]);
    const { rows } = await sql`select n from pair order by id`.execute(database.db);
    expect(rows).toEqual([{ n: 2 }, { n: 2 }]);
    await sql`drop table pair`.execute(database.db);
    await database.close();
  });

  test('of two versions of the programme put at once the later one is in force, and last in the feed', async () => {
    const database = await Database.open({ url: url() }, ports);
    const outcomes = await database.transaction(async (tx) => {
      await putProgramme(tx, { ...programme, version: 11 }, 0);
      const earlier = database.transaction((own) => putProgramme(own, { ...programme, version: 10 }, 0));
      await Promise.race([waiting(1, 0), earlier]);
      return { earlier };
    });
    expect(await outcomes.earlier).toBe('outdated');
    expect((await currentProgramme(database.db))?.version).toBe(11);
    await database.close();
  });
});
