// Versions of what the server says: they must grow whatever becomes of process, clock and database, and stay numbers a
// till accepts.
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { ALL_TILLS, verifyStatement } from '../../sync/contract/server-signature.ts';
import { Database } from '../../server/database/database.ts';
import { establishEpoch } from '../../server/database/epoch.ts';
import { Statements } from '../../server/statements.ts';
import { ManualClock } from '../support/manual-clock.ts';

const AT = { epoch: 'e', xid: '1', seq: 1 };
const RECEIPT = {
  incarnation: '0190f8a0-0000-7000-8000-000000000001',
  contiguous: 0,
  hash: null,
  holes: [],
  verdicts: [],
  serverTime: 1,
};
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const clock = new ManualClock();
let database: Database;

beforeAll(async () => {
  database = await Database.open({ memory: true }, { clock, random: new SeededRandom(1), log: silentLog });
});
afterAll(() => database.close());
beforeEach(() => database.db.deleteFrom('server_meta').where('name', '=', 'statement_version').execute());

function start(at = clock, versionsAside?: number): Statements {
  const aside = versionsAside === undefined ? {} : { versionsAside };
  return new Statements(database, { clock: at, signingKey: privateKey, ...aside });
}

async function version(of: Statements): Promise<number> {
  const payload = await of.sign('command', 'till-1', { kind: 'reseed' });
  return verifyStatement(payload, { kind: 'command', till: 'till-1', publicKey, now: 0 }).version;
}

async function stored(): Promise<number> {
  const { db } = database;
  const row = await db
    .selectFrom('server_meta')
    .select('value')
    .where('name', '=', 'statement_version')
    .executeTakeFirst();
  return Number(row?.value ?? 0);
}

function isGrowing(versions: readonly number[]): boolean {
  return versions.every((each, i) => i === 0 || each > (versions[i - 1] ?? Infinity));
}

test('versions grow also when a standby takes over that lacks those of a server whose clock is ahead', async () => {
  await version(start());
  const behind = await stored();
  const ahead = start(new ManualClock(clock.now() + 3_600_000));
  const heard = await version(ahead);
  await database.db
    .updateTable('server_meta')
    .set({ value: String(behind) })
    .where('name', '=', 'statement_version')
    .execute();
  await establishEpoch(database.db, { clock, random: new SeededRandom(2), log: silentLog, restored: true });
  expect(await version(start())).toBeGreaterThan(heard);
});

test('versions grow, also over a restart with the clock set back', async () => {
  const first = start();
  const before = [await version(first), await version(first)];
  const restarted = start(new ManualClock(clock.now() - 86_400_000));
  expect(isGrowing([...before, await version(restarted), await version(restarted)])).toBe(true);
});

test('a million starts leave versions that tills accept', async () => {
  const before = await version(start());
  for (let i = 0; i < 50; i += 1) await version(start());
  const perStart = ((await stored()) - before) / 50;
  expect(Number.isSafeInteger(Math.ceil(before + 1_000_000 * perStart))).toBe(true);
});

test('a start that says nothing takes no versions', async () => {
  start();
  expect(await stored()).toBe(0);
});

test('versions are set aside in the database before the first of them is used', async () => {
  const statements = start(clock, 3);
  const versions: number[] = [];
  for (let i = 0; i < 10; i += 1) {
    versions.push(await version(statements));
    expect(await stored()).toBeGreaterThanOrEqual(versions.at(-1) ?? Infinity);
  }
  versions.push(...(await Promise.all(Array.from({ length: 10 }, () => version(statements)))));
  expect(isGrowing(versions)).toBe(true);
});

test('two servers on one database never use the same version', async () => {
  const servers = [start(clock, 3), start(clock, 3)];
  const versions: number[] = [];
  for (let i = 0; i < 20; i += 1) {
    for (const server of servers) versions.push(await version(server));
  }
  expect(new Set(versions).size).toBe(versions.length);
});

test('after a backup was put back, versions go on above all that were used since it was made', async () => {
  const backup = await stored();
  const statements = start();
  let last = 0;
  for (let i = 0; i < 100; i += 1) last = await version(statements);
  await database.db
    .updateTable('server_meta')
    .set({ value: String(backup) })
    .where('name', '=', 'statement_version')
    .execute();
  const later = new ManualClock(clock.now() + 1_000);
  expect(await version(start(later))).toBeGreaterThan(last);
});

test.each(['command', 'urgent', 'head'] as const)(
  'a till that obeyed one server takes what another says later, whichever began first: %s',
  async (kind) => {
    const bodies = {
      command: { kind: 'reseed' },
      urgent: { position: AT, credentials: [], customers: [] },
      head: { heads: { credentials: AT, customers: AT, offers: AT, programme: AT } },
    };
    const [older, younger] = [start(), start()];
    await older.sign('receipt', 'till-1', RECEIPT);
    await younger.sign('receipt', 'till-1', RECEIPT);
    const versions: number[] = [];
    for (const server of [younger, older, younger, older]) {
      // The bodies are those of their kinds, which TypeScript does not follow through the table.
      const payload = await server.sign(kind, 'till-1', bodies[kind] as never);
      versions.push(verifyStatement(payload, { kind, till: 'till-1', publicKey, now: 0 }).version);
    }
    expect(isGrowing(versions)).toBe(true);
  },
);

test('a server knows what servers with its key said to all, and nobody else’s', async () => {
  const statements = start();
  const head = { heads: { credentials: AT, customers: AT, offers: AT, programme: AT } };
  const said = await statements.sign('head', ALL_TILLS, head);
  expect(start().readOwn('head', said)).toEqual(head);
  const { privateKey: foreign } = generateKeyPairSync('ed25519');
  expect(new Statements(database, { clock, signingKey: foreign }).readOwn('head', said)).toBeUndefined();
  expect(statements.readOwn('head', Buffer.from('no statement'))).toBeUndefined();
});

test('while the database is away nothing is signed, and once it is back, all is', async () => {
  let away = true;
  const transaction: Database['transaction'] = (work) =>
    away ? Promise.reject(new Error('gone')) : database.transaction(work);
  const flaky = Object.assign(Object.create(database) as Database, { transaction });
  const statements = new Statements(flaky, { clock, signingKey: privateKey });
  await expect(version(statements)).rejects.toThrow('gone');
  away = false;
  expect(await version(statements)).toBeGreaterThan(0);
});

test('a clock centuries ahead is refused before it can use up all versions', async () => {
  const far = new ManualClock(Date.UTC(2300, 0, 1));
  await expect(version(start(far))).rejects.toMatchObject({ code: 'SIGN_EXHAUSTED' });
  expect(await stored()).toBe(0);
  expect(await version(start())).toBeGreaterThan(0);
});
