// Goal: tills notice a restored database, and get all of it. Method: a real PostgreSQL in which stands what a dump of
// another one leaves behind: its epoch, its identity, and positions of transactions that have not been here.
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { SystemClock } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { SystemRandom, uuidV7 } from '../../foundation/random.ts';
import { Database } from '../../server/database/database.ts';
import type { DatabaseOptions } from '../../server/database/database.ts';
import { EpochWatch } from '../../server/database/epoch-watch.ts';
import { readFeedHeads } from '../../server/feed/feed-store.ts';
import { putProgramme } from '../../server/programme/programme-store.ts';
import { isBehind } from '../../sync/contract/feed.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startPostgres } from '../support/postgres.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { ToldEvents } from './database/postgres-world.ts';
import { programme } from './programme.ts';
import { pull } from './stores.suite.ts';

const ports = { clock: new SystemClock(), random: new SystemRandom(), log: silentLog };

describe('the epoch', () => {
  let postgres: TestPostgres | { readonly missing: string };
  let before: Database;
  const opened: Database[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  beforeEach(async (context) => {
    if ('missing' in postgres) context.skip(postgres.missing);
    before = await open();
  });
  afterAll(async () => {
    for (const database of opened) await database.close();
    if ('url' in postgres) await postgres.close();
  });

  async function open(options?: DatabaseOptions): Promise<Database> {
    const database = await Database.open({ url: 'url' in postgres ? postgres.url : '' }, ports, options);
    opened.push(database);
    return database;
  }

  async function addCustomer(): Promise<string> {
    const id = uuidV7(ports.clock.now(), ports.random);
    await sql`insert into customer (id, status, tier, points_at, created_at) values (${id}, 'active', 'basic', 0, 0)`.execute(
      before.db,
    );
    return id;
  }

  /** Puts a table's rows where a server with many more transactions behind it left them, in their order. */
  async function moveAhead(table: string): Promise<void> {
    for (const statement of [
      `alter table ${table} disable trigger feed_position`,
      `update ${table} set xid = (xid::text::bigint + 1000000000)::text::xid8`,
      `alter table ${table} enable trigger feed_position`,
    ]) {
      await sql.raw(statement).execute(before.db);
    }
  }

  test('stays the same when a server is started again, whatever was written', async () => {
    await addCustomer();
    expect((await open()).epoch).toBe(before.epoch);
    expect((await open()).epoch).toBe(before.epoch);
  });

  test.each(['epoch_system', 'epoch_timeline'])(
    'is a new one in a database with another %s',
    async (name) => {
      const { numUpdatedRows } = await before.db
        .updateTable('server_meta')
        .set({ value: 'another' })
        .where('name', '=', name)
        .executeTakeFirstOrThrow();
      expect(numUpdatedRows).toBe(1n);
      const after = await open();
      expect(after.epoch).not.toBe(before.epoch);
      expect((await open()).epoch).toBe(after.epoch);
    },
  );

  test('is a new one where positions lie ahead, and the feed brings every row and every change after', async () => {
    const ids = [await addCustomer(), await addCustomer()];
    for (const version of [1, 2, 3]) {
      await before.transaction((tx) => putProgramme(tx, { ...programme, version }, 1));
    }
    await moveAhead('customer');
    await moveAhead('programme');
    const after = await open();
    expect(after.epoch).not.toBe(before.epoch);

    const { documents, position } = await pull(after, 'customers', null, 10);
    expect(documents.map((document) => document['id'])).toEqual(expect.arrayContaining(ids));
    const rules = await pull(after, 'programme', null, 2);
    expect(rules.documents.map((document) => document['version'])).toEqual([1, 2, 3]);

    await sql`update customer set status = 'blocked' where id = ${ids[0] ?? ''}`.execute(after.db);
    const head = (await readFeedHeads(after.db, after.epoch)).heads.customers;
    expect(position !== null && isBehind(position, head)).toBe(true);
    expect((await pull(after, 'customers', position, 10)).documents).toMatchObject([
      { id: ids[0], status: 'blocked' },
    ]);
    expect((await open()).epoch).toBe(after.epoch);
  });

  test('is a new one when told of a restore, and one of two servers that start at once makes it', async () => {
    expect((await open({ restored: true })).epoch).not.toBe(before.epoch);
    await before.db
      .updateTable('server_meta')
      .set({ value: 'another' })
      .where('name', '=', 'epoch_system')
      .execute();
    const [one, two] = await Promise.all([open(), open()]);
    expect(one.epoch).toBe(two.epoch);
  });

  describe('of a server that runs', () => {
    const clock = new ManualClock();
    let running: Database;
    let log: ToldEvents;
    let watch: EpochWatch;

    beforeEach(async () => {
      running = await open();
      log = new ToldEvents();
      watch = new EpochWatch({ database: running, clock, log, onNewEpoch: () => log.info({ event: 'new' }) });
      await look(() => running.epoch === before.epoch);
    });
    afterEach(async () => {
      await watch.close();
      await sql`delete from kysely_migration where name = '9999-of-a-newer-version'`.execute(before.db);
      await (await open({ restored: true })).close();
    });

    /** Looks again until it holds. */
    const look = (holds: () => boolean): Promise<void> =>
      vi.waitFor(
        async () => {
          await clock.advance(5_000);
          if (!holds()) throw new Error('not yet');
        },
        { timeout: 15_000, interval: 10 },
      );

    const store = (name: string, value: string): Promise<unknown> =>
      before.db.updateTable('server_meta').set({ value }).where('name', '=', name).execute();

    const storedEpoch = async (): Promise<string> =>
      (
        await before.db
          .selectFrom('server_meta')
          .select('value')
          .where('name', '=', 'epoch')
          .executeTakeFirstOrThrow()
      ).value;

    const newerSchema = (): Promise<unknown> =>
      sql`insert into kysely_migration values ('9999-of-a-newer-version', '2099')`.execute(before.db);

    test('follows the one another server was told to make', async () => {
      const { epoch } = await open({ restored: true });
      await look(() => running.epoch === epoch);
      await look(() => log.events.includes('new'));
      expect(await storedEpoch()).toBe(epoch);
    });

    test('is a new one when a database from before comes with the same number of its timeline', async () => {
      const earlier = await storedEpoch();
      const { epoch: served } = await open({ restored: true });
      await look(() => running.epoch === served);
      await store('epoch', earlier);
      await store('epoch_timeline', '00000000');
      await look(() => running.epoch > served);
      expect(await storedEpoch()).toBe(running.epoch);
    });

    test('is a new one when the database went back and nothing else shows it', async () => {
      const earlier = await storedEpoch();
      const { epoch: served } = await open({ restored: true });
      await look(() => running.epoch === served);
      await store('epoch', earlier);
      await look(() => running.epoch > served);
      expect(await storedEpoch()).toBe(running.epoch);
    });

    test('follows another also where the schema is of a newer version', async () => {
      await newerSchema();
      const made = uuidV7(ports.clock.now() + 1_000, ports.random);
      await store('epoch', made);
      await look(() => running.epoch === made);
      expect(watch.well).toBe(true);
    });

    test('is told at error when it cannot be learned, and the server is well again once it can', async () => {
      await newerSchema();
      await store('epoch_timeline', '00000000');
      await store('epoch', uuidV7(ports.clock.now() + 1_000, ports.random));
      await look(() => !watch.well);
      expect(log.events.filter((event) => event === 'database.epoch_unlearned')).toHaveLength(1);
      await sql`delete from kysely_migration where name = '9999-of-a-newer-version'`.execute(before.db);
      await look(() => watch.well);
      expect(await storedEpoch()).toBe(running.epoch);
    });
  });
});
