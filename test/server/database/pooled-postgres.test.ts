// Goal: a PgBouncer that keeps sessions may stand between, and the limits of time hold behind it all the same.
// Method: a way to a real PostgreSQL that refuses whatever startup parameter PgBouncer 1.18 does not know.
import net from 'node:net';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { Database } from '../../../server/database/database.ts';
import { onPostgres, suitePorts } from '../suite-databases.ts';

const { url } = onPostgres();
const KNOWN = ['user', 'database', 'application_name', 'client_encoding', 'datestyle', 'timezone'];

const socket = (): string => `${new URL(url()).searchParams.get('host')}/.s.PGSQL.5432`;

/** Names in a startup message (PostgreSQL, "Message Formats"): length, protocol, then name and value, each ended by 0. */
function startupParameters(message: Buffer): readonly string[] {
  const texts = message.subarray(8).toString().split('\0');
  return texts.filter((text, i) => i % 2 === 0 && text !== '').map((name) => name.toLowerCase());
}

function errorResponse(message: string): Buffer {
  const fields = `SFATAL\0C08P01\0M${message}\0\0`;
  const head = Buffer.alloc(5, 'E');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, Buffer.from(fields)]);
}

/** @returns the address of the way, and how many of the next connections end at their first statement */
async function pooledWay(to: string): Promise<{ readonly url: string; ending: number }> {
  const way = { url: '', ending: 0 };
  const server = net.createServer((near) => {
    near.on('error', () => {});
    near.once('data', (first: Buffer) => {
      const unknown = startupParameters(first).find((name) => !KNOWN.includes(name));
      if (unknown !== undefined) return near.end(errorResponse(`unsupported startup parameter: ${unknown}`));
      const far = net.connect(to);
      far.on('error', () => near.destroy());
      far.write(first);
      if (way.ending > 0) {
        way.ending -= 1;
        near.once('data', () => near.destroy());
        near.once('close', () => far.destroy());
      }
      return near.pipe(far).pipe(near);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  way.url = `postgres://test@127.0.0.1:${address.port}/postgres`;
  return way;
}

test('limits of time hold also where a pooler takes no startup parameters', async () => {
  const way = await pooledWay(socket());
  const database = await Database.open({ url: way.url }, suitePorts);
  const { rows } = await sql`
    select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
      current_setting('idle_in_transaction_session_timeout') as idle`.execute(database.db);
  expect(rows).toEqual([{ statement: '30s', lock: '10s', idle: '10s' }]);
  await database.close();
});

test('connections that end before they are of use leave room for others', async () => {
  const way = await pooledWay(socket());
  const database = await Database.open({ url: way.url }, suitePorts);
  // All there may be at a time, and the one that is there.
  const idle = Array.from({ length: 8 }, () => sql`select pg_sleep(0.02)`.execute(database.db));
  way.ending = 7;
  expect((await Promise.allSettled(idle)).filter(({ status }) => status === 'rejected')).toHaveLength(7);
  await Promise.all(Array.from({ length: 8 }, () => sql`select pg_sleep(0.02)`.execute(database.db)));
  await database.close();
});
