// What the server knows of a till that several servers hear at once, in whatever order each writes it down.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import { Database } from '../../server/database/database.ts';
import { readTillStates, TillStates } from '../../server/intake/till-states.ts';
import type { TillState } from '../../sync/contract/messages.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import { encode } from '../../sync/contract/wire.ts';
import { ManualClock } from '../support/manual-clock.ts';

const clock = new ManualClock();
const topics = topicsOf('kaufhaus');
const INCARNATION = '0190f8a0-0000-7000-8000-000000000001';
let database: Database;

beforeAll(async () => {
  database = await Database.open({ memory: true }, { clock, random: new SeededRandom(1), log: silentLog });
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
