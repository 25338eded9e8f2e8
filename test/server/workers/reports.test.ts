// Goal: what head office reads, however long it takes and however often it is asked for, holds up no sale.
// Method: a real PostgreSQL in which one table that reports read and sales do not is locked by somebody else.
import { sql } from 'kysely';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ReportQueries } from '../../../server/reports/report-queries.ts';
import type { Database, Queries } from '../../../server/database/database.ts';
import { onServices } from './services.ts';
import { WorkersWorld, ports, putRules } from './workers-world.ts';

const services = onServices();
const LONG = 60_000;

async function openWorld(): Promise<{ readonly world: WorkersWorld; readonly database: Database }> {
  const { folder } = services;
  const world = new WorkersWorld({
    folder,
    databaseUrl: services.databaseUrl(),
    brokerPort: services.broker().port,
  });
  onTestFinished(() => world.close());
  const database = await world.database();
  await putRules(database);
  return { world, database };
}

/** Somebody holds what the trial balance reads; resolves to how they let go. */
async function hold(database: Database): Promise<() => Promise<void>> {
  const [held, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = database.transaction(async (tx) => {
    await sql`lock table customer_erasure in access exclusive mode`.execute(tx);
    await sql`set local idle_in_transaction_session_timeout = 0`.execute(tx);
    held.resolve();
    await over.promise;
  });
  await held.promise;
  return async () => {
    over.resolve();
    await holding;
  };
}

/** How many connections wait for a lock. */
async function waiting(database: Database): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from pg_stat_activity where wait_event_type = 'Lock'`.execute(database.db);
  return rows[0]?.count ?? 0;
}

test(
  'ten trial balances that take long hold up no sale, and are answered at last',
  { timeout: LONG },
  async () => {
    const { world, database } = await openWorld();
    const server = await world.server('one');
    const till = await world.till('till-1');
    till.sell(1);
    await till.confirmed();
    const letGo = await hold(database);
    const headers = { authorization: `Bearer ${world.token}` };
    const answers = Promise.all(
      Array.from({ length: 10 }, async () => {
        const answer = await fetch(`${server.apiUrl}/v1/ledger/trial-balance`, { headers });
        return [answer.status, await answer.json()];
      }),
    );
    await vi.waitFor(async () => expect(await waiting(database)).toBeGreaterThan(0));
    till.sell(5);
    await till.confirmed();
    expect(await waiting(database)).toBe(1);
    await letGo();
    for (const answer of await answers)
      expect(answer).toEqual([200, expect.objectContaining({ balanced: true })]);
  },
);

test('a server that closes does not wait for a report', { timeout: LONG }, async () => {
  const { world, database } = await openWorld();
  const server = await world.server('two');
  const letGo = await hold(database);
  const headers = { authorization: `Bearer ${world.token}` };
  const answer = fetch(`${server.apiUrl}/v1/ledger/trial-balance`, { headers }).then(({ status }) => status);
  await vi.waitFor(async () => expect(await waiting(database)).toBe(1));
  await server.close();
  expect(await answer).toBe(500);
  await letGo();
});

test('a report has the time it takes, and writes nothing', async () => {
  const { database } = await openWorld();
  const url = new URL(services.databaseUrl());
  url.searchParams.set('options', '-c statement_timeout=1000');
  const reports = ReportQueries.open({ url: url.href }, database, ports);
  onTestFinished(() => reports.close());
  const settings = async (db: Queries): Promise<unknown> =>
    (
      await sql`select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
        current_setting('transaction_read_only') as "readOnly"`.execute(db)
    ).rows[0];
  expect(await reports.wholeTables(settings)).toEqual({ statement: '0', lock: '0', readOnly: 'on' });
  expect(await settings(reports.db)).toEqual({ statement: '30s', lock: '30s', readOnly: 'on' });
});

test('who asks while the same is read is given what is read afterwards, once', async () => {
  const { database } = await openWorld();
  const reports = ReportQueries.open({ url: services.databaseUrl() }, database, ports);
  onTestFinished(() => reports.close());
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let begun = 0;
  const read = async (): Promise<number> => {
    const own = begun;
    begun += 1;
    await gates[own]?.promise;
    return own;
  };
  const first = reports.wholeTables(read);
  await vi.waitFor(() => expect(begun).toBe(1));
  const later = [reports.wholeTables(read), reports.wholeTables(read)];
  for (const gate of gates) gate.resolve();
  expect(await Promise.all([first, ...later])).toEqual([0, 1, 1]);
});
