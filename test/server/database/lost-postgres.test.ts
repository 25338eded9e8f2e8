// Goal: a database that is gone, ends connections or takes no writes is known as such, and a server says so.
// Method: a real PostgreSQL whose connections are ended from beside and which is told to take no writes.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import type { Database, DatabaseTransaction } from '../../../server/database/database.ts';
import { onPostgres } from '../suite-databases.ts';

const { database, another } = onPostgres();

/** Ends the connection of a transaction from beside, and resolves when it is gone. */
async function end(tx: DatabaseTransaction, beside: Database): Promise<void> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
  const [{ pid } = { pid: 0 }] = rows;
  await sql`select pg_terminate_backend(${pid}::int, 5000)`.execute(beside.db);
}

/** A value of the test's own, written once the database takes it. */
const write = (tx: DatabaseTransaction): Promise<unknown> =>
  sql`insert into server_meta (name, value) values ('test', '1') on conflict (name) do nothing`.execute(tx);

test.each<[string, (tx: DatabaseTransaction) => Promise<unknown>]>([
  ['ended between two statements', (tx) => end(tx, database())],
  [
    'ended in a statement',
    async (tx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
      const asleep = sql`select pg_sleep(20)`.execute(tx);
      await Promise.all([
        asleep,
        sql`select pg_terminate_backend(${rows[0]?.pid}::int)`.execute(database().db),
      ]);
    },
  ],
  [
    'ended for being idle in a transaction',
    async (tx) => {
      await sql`set local idle_in_transaction_session_timeout = 1`.execute(tx);
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
      const isThere = async (): Promise<boolean> =>
        (await sql`select from pg_stat_activity where pid = ${rows[0]?.pid}::int`.execute(database().db)).rows
          .length > 0;
      while (await isThere()) await new Promise((resolve) => setImmediate(resolve));
    },
  ],
])('a connection that is %s is the database that is away, and the next is as ever', async (_how, happens) => {
  const own = await another();
  const work = own.transaction(async (tx) => {
    await sql`select 1`.execute(tx);
    await happens(tx);
    await sql`select 1`.execute(tx);
  });
  await expect(work).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
  await own.transaction(write);
  await own.ping();
  await own.close();
});

test('a database that takes no writes is away until it takes them', async () => {
  const own = await another();
  await own.ping();
  await sql`set default_transaction_read_only = on`.execute(own.db);
  await expect(own.transaction(write)).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
  await expect(own.ping()).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
  await sql`set default_transaction_read_only = off`.execute(own.db);
  await own.ping();
  await own.transaction(write);
  await own.close();
});

test('a disk that is full is a database that is away, and it is tried whether it still is', async () => {
  const own = await another();
  await sql
    .raw(`create function full_disk() returns trigger language plpgsql as
          $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$`)
    .execute(own.db);
  await sql
    .raw(`create trigger full_disk before insert on server_meta execute function full_disk()`)
    .execute(own.db);
  await own.ping();
  await expect(own.transaction(write)).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
  await expect(own.ping()).rejects.toMatchObject({ code: 'DB_UNREACHABLE' });
  await sql`drop trigger full_disk on server_meta`.execute(own.db);
  await own.ping();
  await own.close();
});
