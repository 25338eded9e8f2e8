// Goal: whatever becomes of PostgreSQL, each sale is in it exactly once in the end, and nobody has to help: killed in the
// midst of a batch, a part of it or all; a standby promoted that lacks what was committed last.
// Method: clusters of the test's own that sync to disk, SIGKILL, real streaming replication, two servers in this process.
import { sql } from 'kysely';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Opened } from '../../../foundation/lifecycle.ts';
import type { Database } from '../../../server/database/database.ts';
import { findInstalled } from '../../faults/requirements.ts';
import { TestMosquitto } from '../../support/mosquitto.ts';
import { ServerFolder } from '../server-folder.ts';
import { Cluster, DatabaseAddress } from './cluster.ts';
import { keptLog } from './selling-till.ts';
import { WorkersWorld, putRules, whatIsWrong } from './workers-world.ts';

const LONG = 120_000;
const WAIT = { timeout: 60_000, interval: 20 };
const installed = findInstalled();
const opened = new Opened();
let broker: TestMosquitto;

beforeAll(async () => {
  if ('mosquitto' in installed) broker = opened.add(await TestMosquitto.open(installed.mosquitto));
});
beforeEach((context) => {
  if ('missing' in installed) context.skip(installed.missing.join('; '));
});
afterAll(() => opened.close());

async function newCluster(): Promise<Cluster> {
  return opened.add(await Cluster.open('postgres' in installed ? installed.postgres : ''));
}

function newWorld(databaseUrl: string): WorkersWorld {
  const folder = new ServerFolder();
  opened.defer(() => folder[Symbol.dispose]());
  return opened.add(new WorkersWorld({ folder, databaseUrl, brokerPort: broker.port }));
}

/** A process of PostgreSQL that is at work for a server, in the midst of a transaction. */
async function processAtWork(database: Database): Promise<number> {
  return vi.waitFor(
    async () => {
      const { rows } = await sql<{ pid: number }>`
      select pid from pg_stat_activity where application_name = 'stammkunde-server' and pid <> pg_backend_pid()
        and xact_start is not null and backend_xid is not null limit 1`.execute(database.db);
      const [row] = rows;
      if (row === undefined) throw new Error('none is at work');
      return row.pid;
    },
    { timeout: 30_000, interval: 1 },
  );
}

test(
  'PostgreSQL killed in the midst of batches has each sale once when it is back',
  { timeout: LONG },
  async () => {
    const cluster = await newCluster();
    const world = newWorld(cluster.url);
    await Promise.all([world.server('one'), world.server('two')]);
    const database = await world.database();
    await putRules(database);
    const tills = await Promise.all([1, 2, 3].map((n) => world.till(`till-${n}`)));
    for (let round = 0; round < 4; round += 1) {
      for (const till of tills) till.sell(60);
      const victim = await processAtWork(database);
      // One of its processes: it ends all others and mends itself. Every second time all of it at once.
      if (round % 2 === 0) process.kill(victim, 'SIGKILL');
      else {
        await cluster.kill();
        await cluster.start();
      }
      await Promise.all(tills.map((till) => till.confirmed()));
    }
    await cluster.start();
    expect(await vi.waitFor(() => whatIsWrong(database, tills), WAIT)).toEqual([]);
  },
);

test(
  'a promoted standby that lacks the last commits gets them from the tills, none twice, and a new epoch',
  { timeout: LONG },
  async () => {
    const primary = await newCluster();
    const standby = opened.add(await primary.standby());
    const address = opened.add(await DatabaseAddress.of(primary));
    const world = newWorld(address.url);
    const logs = [keptLog(), keptLog()];
    const [one] = await Promise.all(logs.map(({ log }, i) => world.server(`worker-${i}`, { log })));
    expect(one).toBeDefined();
    const database = await world.database();
    await putRules(database);
    const tills = await Promise.all([1, 2].map((n) => world.till(`till-${n}`)));
    for (const till of tills) till.sell(20);
    await Promise.all(tills.map((till) => till.confirmed()));
    const copy = opened.add(await openCopy(standby));
    await vi.waitFor(async () => expect(await countEntries(copy)).toBe(40), WAIT);
    await copy.close();
    await standby.stop();

    // Committed and confirmed, and nowhere but on the primary.
    for (const till of tills) till.sell(15);
    await Promise.all(tills.map((till) => till.confirmed()));
    await primary.kill();
    await standby.start();
    standby.promote();
    address.moveTo(standby);

    // Nobody sells, nobody reconnects a till, nobody starts a server anew.
    await vi.waitFor(async () => expect(await whatIsWrong(database, tills)).toEqual([]), WAIT);
    const epochs = logs.flatMap(({ lines }) =>
      lines.filter(({ event }) => event === 'database.replaced').map(({ epoch }) => epoch),
    );
    expect(epochs).toHaveLength(2);
    expect(new Set(epochs).size).toBe(1);
    expect(epochs[0]).not.toBe(database.epoch);
    for (const till of tills) till.sell(5);
    await Promise.all(tills.map((till) => till.confirmed()));
    expect(await whatIsWrong(database, tills)).toEqual([]);
  },
);

/** A look into a standby, which takes no writes. */
async function openCopy(standby: Cluster): Promise<Copy> {
  const pool = new Pool({ connectionString: standby.url, max: 1 });
  // It ends when its server does.
  pool.on('error', () => {});
  return { pool, close: () => (pool.ended ? Promise.resolve() : pool.end()) };
}

interface Copy {
  readonly pool: Pool;
  close(): Promise<void>;
}

async function countEntries({ pool }: Copy): Promise<number> {
  const { rows } = await pool.query<{ count: string }>('select count(*) from till_journal');
  return Number(rows[0]?.count);
}
