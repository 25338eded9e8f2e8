// What the server knows of a till that several servers hear at once, in whatever order each writes it down, and when the
// database is away or refuses one of them.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { StammkundeError } from '../../foundation/errors.ts';
import type { LogFields } from '../../foundation/log.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { Database } from '../../server/database/database.ts';
import { readTillStates, TillStates } from '../../server/intake/till-states.ts';
import type { TillState } from '../../sync/contract/messages.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import { encode } from '../../sync/contract/wire.ts';
import { ManualClock } from '../support/manual-clock.ts';

const clock = new ManualClock();
const random = new SeededRandom(1);
const topics = topicsOf('kaufhaus');
const INCARNATION = '0190f8a0-0000-7000-8000-000000000001';
let database: Database;

beforeAll(async () => {
  database = await Database.open({ memory: true }, { clock, random, log: silentLog });
});
afterAll(() => database.close());

const health = { unconfirmed: 0, diverged: false, replicaAgeMs: null, readers: [] };
function state(till: string, session: number, online: boolean, at: number): TillState {
  return {
    till,
    incarnation: INCARNATION,
    session,
    online,
    at,
    version: '1',
    ...(online ? { health } : {}),
  };
}

/** Each told by a server of its own, one after the other. */
async function tell(states: readonly TillState[]): Promise<void> {
  for (const each of states) {
    const stored = Promise.withResolvers<void>();
    const server = new TillStates({
      database,
      topics,
      clock,
      random,
      log: silentLog,
      onStored: () => stored.resolve(),
    });
    server.offer(topics.state(each.till), encode(each));
    await clock.advance(200);
    await stored.promise;
    await server.close();
  }
}

async function known(till: string): Promise<{ readonly online: boolean; readonly at: number } | undefined> {
  const found = (await readTillStates(database.db)).find((each) => each.till === till);
  return found === undefined ? undefined : { online: found.online, at: found.at };
}

test('the end of a session is its last word, whoever writes it when', async () => {
  await tell([state('till-1', 4, false, 1), state('till-1', 4, true, 2), state('till-1', 3, true, 9)]);
  expect(await known('till-1')).toEqual({ online: false, at: 1 });
  await tell([state('till-1', 5, true, 3)]);
  expect(await known('till-1')).toEqual({ online: true, at: 3 });
});

test('… also when one server hears both at once', async () => {
  const stored = Promise.withResolvers<void>();
  const server = new TillStates({
    database,
    topics,
    clock,
    random,
    log: silentLog,
    onStored: () => stored.resolve(),
  });
  for (const each of [state('till-2', 1, false, 1), state('till-2', 1, true, 2)])
    server.offer(topics.state('till-2'), encode(each));
  await clock.advance(200);
  await stored.promise;
  await server.close();
  expect(await known('till-2')).toEqual({ online: false, at: 1 });
});

test('the same state from every server is one, as of when the first wrote it', async () => {
  await tell([state('till-3', 1, true, 1)]);
  const [first] = (await readTillStates(database.db)).filter(({ till }) => till === 'till-3');
  await clock.advance(10_000);
  await tell([state('till-3', 1, true, 1)]);
  const [second] = (await readTillStates(database.db)).filter(({ till }) => till === 'till-3');
  expect(second).toEqual(first);
  await tell([state('till-3', 1, true, 2)]);
  expect(await known('till-3')).toEqual({ online: true, at: 2 });
});

test('of one session an older state does not take the place of a newer one that another server wrote', async () => {
  await tell([state('till-4', 1, true, 20), state('till-4', 1, true, 10)]);
  expect(await known('till-4')).toEqual({ online: true, at: 20 });
  // A clock that was set back does not make a till dumb.
  await clock.advance(300_000);
  await tell([state('till-4', 1, true, 10)]);
  expect(await known('till-4')).toEqual({ online: true, at: 10 });
});

/** A server on this database, or on one that fails with `error()`; it says what it stored and what it logged. */
function open(error: () => Error | undefined = () => undefined) {
  const stored: string[][] = [];
  const logged: LogFields[] = [];
  const note = (fields: LogFields): void => void logged.push(fields);
  // The database's own, and instead of an answer the error.
  const over = Object.create(database, {
    db: {
      get: () => {
        const why = error();
        if (why !== undefined) throw why;
        return database.db;
      },
    },
  }) as Database;
  const log = { ...silentLog, warn: note, error: note };
  const onStored = (states: readonly TillState[]): void => void stored.push(states.map(({ till }) => till));
  const server = new TillStates({ database: over, topics, clock, random, log, onStored });
  onTestFinished(() => server.close());
  const offer = (each: TillState): void => server.offer(topics.state(each.till), encode(each));
  return { server, offer, stored, logged };
}

const online = state('till-5', 1, true, 1);
test.each([
  ['a version with NUL', { version: 'a\0b' }],
  ['a reader with NUL', { health: { ...health, readers: [{ id: 'x\0', status: 'y' }] } }],
  ['half a surrogate pair', { health: { ...health, readers: [{ id: 'x', status: '\ud800' }] } }],
])('%s is refused, and stored is what came with it', async (_what, bad) => {
  const { offer, stored, logged } = open();
  offer({ ...online, till: 'till-bad', ...bad });
  offer(online);
  await clock.advance(200);
  await vi.waitFor(() => expect(stored).toEqual([['till-5']]));
  expect(logged).toMatchObject([
    { event: 'state.message_dropped', till: 'till-bad', code: 'WIRE_MALFORMED' },
  ]);
  expect(await known('till-bad')).toBeUndefined();
});

test('what only the database refuses is left out, and told of', async () => {
  const { offer, stored, logged } = open();
  // A constraint stands in for whatever the schema lets through and the database does not.
  await sql`alter table till_state add constraint no_66 check (till <> 'till-66')`.execute(database.db);
  onTestFinished(async () => {
    await sql`alter table till_state drop constraint no_66`.execute(database.db);
  });
  for (const till of ['till-6', 'till-66', 'till-7']) offer({ ...online, till });
  await clock.advance(200);
  await vi.waitFor(() => expect(stored).toEqual([['till-6', 'till-7']]));
  expect(logged).toMatchObject([{ event: 'state.refused', till: 'till-66', sqlState: '23514' }]);
});

test('a last will that comes while the database is away is stored when it is back', async () => {
  let away: Error | undefined;
  const { offer, stored, logged } = open(() => away);
  offer(state('till-8', 1, true, 1));
  await clock.advance(200);
  await vi.waitFor(() => expect(stored).toHaveLength(1));
  away = new StammkundeError('DB_UNREACHABLE', 'gone');
  offer(state('till-8', 1, false, 1));
  await clock.advance(60_000);
  // Meanwhile another one: of each the last is kept.
  offer(state('till-9', 1, true, 1));
  offer(state('till-9', 2, true, 2));
  await clock.advance(60_000);
  expect(stored).toHaveLength(1);
  away = undefined;
  await clock.advance(60_000);
  await vi.waitFor(() => expect(stored[1]).toEqual(['till-8', 'till-9']));
  expect(await known('till-8')).toEqual({ online: false, at: 1 });
  expect(await known('till-9')).toEqual({ online: true, at: 2 });
  expect(logged).toMatchObject([{ event: 'state.store_failed' }]);
});

test('a flood of one till keeps no other’s from being stored, and nothing is read while it comes in', async () => {
  const { server, offer, stored, logged } = open();
  for (let i = 0; i < 10_000; i += 1) server.offer(topics.state('till-10'), Buffer.from('x'));
  offer({ ...online, till: 'till-11' });
  expect(logged).toEqual([]);
  await clock.advance(200);
  await vi.waitFor(() => expect(stored).toEqual([['till-11']]));
  expect(logged).toHaveLength(4);
  server.offer(topics.state('till-10'), Buffer.alloc(100_000));
  expect(logged.at(-1)).toMatchObject({ event: 'state.message_dropped', bytes: 100_000 });
});
