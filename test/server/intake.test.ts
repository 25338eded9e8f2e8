// The intake between bus and database: what is acknowledged, what is dropped, what happens when either is away.
import { generateKeyPairSync } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { LogFields } from '../../foundation/log.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import type { PublishOutcome } from '../../sync/bus.ts';
import { encode } from '../../sync/contract/wire.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import { verifyStatement } from '../../sync/contract/server-signature.ts';
import type { Receipt } from '../../sync/contract/messages.ts';
import { Database } from '../../server/database/database.ts';
import { answerBucket } from '../../server/feed/bucket.ts';
import { answerFeedPage } from '../../server/feed/feed-store.ts';
import { answerRanges } from '../../server/feed/ranges.ts';
import { RequestResponder } from '../../server/requests/request-responder.ts';
import { Intake } from '../../server/intake/intake.ts';
import { readTrialBalance } from '../../server/ledger/ledger-store.ts';
import { Statements } from '../../server/statements.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { TestTill } from './test-till.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const clock = new ManualClock();
const random = new SeededRandom(3);
const topics = topicsOf('kaufhaus');
const logged: LogFields[] = [];
const note = (fields: LogFields): void => void logged.push(fields);
const log = { ...silentLog, warn: note, error: note };
let database: Database;
let statements: Statements;
let published: { readonly topic: string; readonly payload: Uint8Array; readonly committed: number }[] = [];

beforeAll(async () => {
  database = await Database.open({ memory: true }, { clock, random, log: silentLog });
  statements = new Statements(database, { clock, signingKey: privateKey });
});
afterAll(() => database.close());
beforeEach(() => {
  published = [];
  logged.length = 0;
});

const bus = {
  publish: async (topic: string, payload: Uint8Array): Promise<PublishOutcome> => {
    const { rows } = { rows: await database.db.selectFrom('till_journal').select('seq').execute() };
    published.push({ topic, payload, committed: rows.length });
    return 'sent';
  },
};

function openIntake(over: Database = database): Intake {
  return new Intake({ database: over, topics, statements, bus, clock, random, log, onCommitted: () => {} });
}

function receiptsOf(till: TestTill): Receipt[] {
  return published
    .filter(({ topic }) => topic === topics.receipt(till.till))
    .map(
      ({ payload }) =>
        verifyStatement(payload, { kind: 'receipt', till: till.till, publicKey, now: clock.now() }).body,
    );
}

function till(sales = 3): TestTill {
  const made = new TestTill();
  for (let i = 0; i < sales; i += 1) made.sell(made.index(), 100);
  return made;
}

/** The real database, that is away as long as `away` says so. */
function flaky(away: () => Error | undefined): Database {
  const transaction: Database['transaction'] = (work) => {
    const error = away();
    return error === undefined ? database.transaction(work) : Promise.reject(error);
  };
  return instead(transaction);
}

/** The real database with other transactions. */
function instead(transaction: Database['transaction']): Database {
  // An object of the database's own shape, with three of its members said anew.
  return Object.create(database, {
    db: { value: database.db },
    epoch: { value: database.epoch },
    transaction: { value: transaction },
  }) as Database;
}

test('each batch is answered with a signed receipt of what is committed', async () => {
  const intake = openIntake();
  const one = till();
  intake.offer(topics.journal(one.till), encode(one.batch(1, 2)));
  intake.offer(topics.journal(one.till), encode(one.batch(3, 3)));
  await intake.idle();
  await settle();
  expect(receiptsOf(one)).toMatchObject([
    { contiguous: 3, hash: one.entries[2]?.hash, verdicts: [{ verdict: 'created' }, { verdict: 'created' }] },
    { contiguous: 3, verdicts: [{ seq: 3, verdict: 'created' }], serverTime: clock.now() },
  ]);
  expect(intake.status).toMatchObject({ waiting: 0, stalled: false, counts: { created: 3 } });
});

test('a lost receipt is given again for a batch sent again, and says the same', async () => {
  const intake = openIntake();
  const one = till();
  for (let i = 0; i < 2; i += 1) {
    intake.offer(topics.journal(one.till), encode(one.batch()));
    await intake.idle();
  }
  await settle();
  const [first, second] = receiptsOf(one);
  expect(second).toMatchObject({ contiguous: first?.contiguous, hash: first?.hash });
  expect(second?.verdicts.map(({ verdict }) => verdict)).toEqual(['exists', 'exists', 'exists']);
});

test('nothing is acknowledged while the database is away; once it is back, all is', async () => {
  let away: Error | undefined = new StammkundeError('DB_UNREACHABLE', 'gone');
  const intake = openIntake(flaky(() => away));
  const one = till();
  intake.offer(topics.journal(one.till), encode(one.batch()));
  await clock.advance(60_000);
  expect(published).toEqual([]);
  expect(intake.status).toMatchObject({ stalled: true });
  expect(logged.filter(({ event }) => event === 'intake.database_lost')).toHaveLength(1);
  away = undefined;
  await clock.advance(20_000);
  await intake.idle();
  await settle();
  expect(receiptsOf(one)).toMatchObject([{ contiguous: 3 }]);
  expect(intake.status).toMatchObject({ stalled: false });
});

test('while one transaction takes its time the next is begun, but none with what the same till sends', async () => {
  const held: (() => void)[] = [];
  const slow = instead(async (work) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return database.transaction(work);
  });
  const intake = openIntake(slow);
  const [one, other, third] = [till(), till(), till()];
  intake.offer(topics.journal(one.till), encode(one.batch(1, 1)));
  await settle();
  intake.offer(topics.journal(one.till), encode(one.batch(2, 3)));
  await settle();
  expect(held).toHaveLength(1);
  intake.offer(topics.journal(other.till), encode(other.batch()));
  await settle();
  expect(held).toHaveLength(2);
  intake.offer(topics.journal(third.till), encode(third.batch()));
  await settle();
  expect([held.length, intake.status.waiting]).toEqual([2, 2]);
  held[1]?.();
  await vi.waitFor(() => expect(held).toHaveLength(3));
  expect(intake.status.waiting).toBe(1);
  held[0]?.();
  await vi.waitFor(() => expect(held).toHaveLength(4));
  for (const go of held) go();
  await intake.idle();
  await settle();
  expect(receiptsOf(one).map(({ contiguous }) => contiguous)).toEqual([1, 3]);
  expect([receiptsOf(other), receiptsOf(third)]).toMatchObject([[{ contiguous: 3 }], [{ contiguous: 3 }]]);
});

test('a batch that breaks the transaction is left out, and the others are taken in', async () => {
  let failures = 2;
  const intake = openIntake(flaky(() => (failures-- > 0 ? new Error('broken') : undefined)));
  const [bad, good] = [till(), till()];
  intake.offer(topics.journal(bad.till), encode(bad.batch()));
  intake.offer(topics.journal(good.till), encode(good.batch()));
  await intake.idle();
  await settle();
  expect(receiptsOf(bad)).toEqual([]);
  expect(receiptsOf(good)).toMatchObject([{ contiguous: 3 }]);
  expect(intake.status.counts).toMatchObject({ failed: 1, created: 3 });
  intake.offer(topics.journal(bad.till), encode(bad.batch()));
  await intake.idle();
  await settle();
  expect(receiptsOf(bad)).toMatchObject([{ contiguous: 3 }]);
});

/** The real database, whose ledger refuses the sale of one entry with an error of this class. */
async function refusingSale(entryId: string, sqlState: string): Promise<AsyncDisposable> {
  await sql
    .raw(
      `create function refuse_sale() returns trigger language plpgsql as $$
       begin
         if new.id = '${entryId}' then raise exception 'injected' using errcode = '${sqlState}'; end if;
         return new;
       end $$;`,
    )
    .execute(database.db);
  await sql
    .raw(
      `create trigger refuse_sale before insert on ledger_transaction for each row execute function refuse_sale()`,
    )
    .execute(database.db);
  return {
    [Symbol.asyncDispose]: async () => {
      await sql.raw(`drop function refuse_sale cascade`).execute(database.db);
    },
  };
}

test.each(['22003', '23514'])(
  'an entry the database refuses (%s) is refused for good, and those behind it go on',
  async (sqlState) => {
    const intake = openIntake();
    const one = till(4);
    const good = till(2);
    {
      await using _injected = await refusingSale(one.entries[1]?.id ?? '', sqlState);
      intake.offer(topics.journal(one.till), encode(one.batch()));
      intake.offer(topics.journal(good.till), encode(good.batch()));
      await intake.idle();
      await settle();
    }
    const verdicts = [
      { verdict: 'created' },
      { seq: 2, verdict: 'refused', code: 'LEDGER_REFUSED' },
      { verdict: 'created' },
      { verdict: 'created' },
    ];
    expect(receiptsOf(one)).toMatchObject([{ contiguous: 4, hash: one.entries[3]?.hash, verdicts }]);
    expect(receiptsOf(good)).toMatchObject([{ contiguous: 2 }]);
    expect(intake.status.counts).toMatchObject({ created: 5, refused: 1, failed: 0 });
    expect(logged).toMatchObject([
      { event: 'intake.entry_refused', till: one.till, seq: 2, code: 'LEDGER_REFUSED' },
    ]);
    // What is wrong with it is not its till's to mend: it stays as it was judged.
    intake.offer(topics.journal(one.till), encode(one.batch()));
    await intake.idle();
    await settle();
    expect(
      receiptsOf(one)
        .at(-1)
        ?.verdicts.map(({ verdict }) => verdict),
    ).toEqual(['exists', 'refused', 'exists', 'exists']);
    expect((await readTrialBalance(database.db)).balanced).toBe(true);
  },
);

test('an entry the database cannot take even as refused stops its own till alone, and is told of', async () => {
  const intake = openIntake();
  const [one, good] = [till(2), till(2)];
  await sql
    .raw(
      `alter table till_journal add constraint injected check (id <> '${one.entries[1]?.id ?? ''}') not valid`,
    )
    .execute(database.db);
  intake.offer(topics.journal(one.till), encode(one.batch()));
  intake.offer(topics.journal(good.till), encode(good.batch()));
  await intake.idle();
  await settle();
  await sql.raw(`alter table till_journal drop constraint injected`).execute(database.db);
  expect(receiptsOf(good)).toMatchObject([{ contiguous: 2 }]);
  expect(intake.status.counts).toMatchObject({ failed: 1 });
  expect(logged).toMatchObject([{ event: 'intake.batch_failed', till: one.till }]);
  intake.offer(topics.journal(one.till), encode(one.batch()));
  await intake.idle();
  await settle();
  expect(receiptsOf(one).at(-1)).toMatchObject({ contiguous: 2 });
});

test('a sale posted with other points than its till showed is told of and counted', async () => {
  const intake = openIntake();
  const one = new TestTill();
  const saleId = one.id();
  const earned = { programmeVersion: 0, base: 3, bonuses: [{ offerId: 'x', points: 4 }] };
  one.sell(one.index(), 100, { saleId, earned });
  one.sell(one.index(), 100);
  for (let i = 0; i < 2; i += 1) {
    intake.offer(topics.journal(one.till), encode(one.batch()));
    await intake.idle();
  }
  expect(logged).toEqual([{ event: 'ledger.points-differ', saleId, shown: 7, posted: 0 }]);
  expect(intake.status.counts).toMatchObject({ created: 2, pointsDiffer: 1 });
});

test('a number too large for the database is refused at the door', async () => {
  const intake = openIntake();
  const one = new TestTill();
  one.sell(one.index(), 100, { earned: { programmeVersion: 3_000_000_000, base: 0, bonuses: [] } });
  one.sell(one.index(), 100, { earned: { programmeVersion: 2_147_483_647, base: 0, bonuses: [] } });
  intake.offer(topics.journal(one.till), encode(one.batch()));
  await intake.idle();
  await settle();
  expect(receiptsOf(one)).toMatchObject([
    { contiguous: 2, verdicts: [{ verdict: 'refused', code: 'WIRE_MALFORMED' }, { verdict: 'created' }] },
  ]);
});

test.each<[string, (one: TestTill) => readonly [string, Uint8Array], string]>([
  ['is noise', (one) => [topics.journal(one.till), Buffer.from([1, 2, 3])], 'WIRE_MALFORMED'],
  ['is too new', (one) => [topics.journal(one.till), Buffer.from('{"v":2,"body":{}}')], 'WIRE_TOO_NEW'],
  ['is no batch', (one) => [topics.journal(one.till), encode({ till: one.till })], 'WIRE_MALFORMED'],
  ['speaks for another till', (one) => [topics.journal('till-other'), encode(one.batch())], 'WIRE_FOREIGN'],
  [
    'holds what the database cannot give back',
    (one) => [topics.journal(one.till), encode({ ...one.batch(), entries: [one.addBody('{"a":"\0"}')] })],
    'WIRE_MALFORMED',
  ],
])('a message that %s is dropped and counted', async (_what, make, code) => {
  const intake = openIntake();
  const one = till();
  intake.offer(...make(one));
  await intake.idle();
  await settle();
  expect(published).toEqual([]);
  expect(intake.status.counts).toMatchObject({ malformed: 1, created: 0 });
  expect(logged).toMatchObject([{ event: 'intake.message_dropped', code }]);
});

test('a copied disk is quarantined with one alarm for each batch', async () => {
  const intake = openIntake();
  const one = till();
  const clone = one.clone();
  one.sell(null, 100);
  clone.sell(null, 200);
  clone.sell(null, 300);
  intake.offer(topics.journal(one.till), encode(one.batch()));
  intake.offer(topics.journal(one.till), encode(clone.batch()));
  await intake.idle();
  await settle();
  expect(receiptsOf(one).at(-1)).toMatchObject({
    contiguous: 4,
    hash: one.entries[3]?.hash,
    verdicts: [{}, {}, {}, { verdict: 'conflict', code: 'LEDGER_CONFLICT' }, { code: 'LEDGER_CHAIN' }],
  });
  expect(logged).toMatchObject([
    { event: 'intake.quarantined', seq: 4, entries: 2, code: 'LEDGER_CONFLICT' },
  ]);
});

test('a full queue drops what comes, and what is sent again is taken', async () => {
  let away: Error | undefined = new StammkundeError('DB_UNREACHABLE', 'gone');
  const intake = openIntake(flaky(() => away));
  const one = till(1);
  const payload = encode(one.batch());
  for (let i = 0; i < 5_000; i += 1)
    intake.offer(topics.journal(i % 50 === 0 ? one.till : `full-${i % 50}`), payload);
  expect(intake.status.counts.dropped).toBeGreaterThan(2_000);
  expect(intake.status.waiting).toBeLessThanOrEqual(2_000);
  await settle();
  away = undefined;
  await clock.advance(20_000);
  await intake.idle();
  expect(intake.status.counts).toMatchObject({ created: 1 });
});

test('what one till sends too much of is dropped, and nobody else’s, who has the next turn', async () => {
  const intake = openIntake();
  const [flooding, good] = [till(1), till(1)];
  const payload = encode(flooding.batch());
  for (let i = 0; i < 2_500; i += 1) intake.offer(topics.journal(flooding.till), payload);
  intake.offer(topics.journal(good.till), encode(good.batch()));
  expect(intake.status.waiting).toBe(65);
  await intake.idle();
  await settle();
  expect(published.findIndex(({ topic }) => topic === topics.receipt(good.till))).toBeLessThan(8);
});

test('while messages are read that take long, everything else has a turn between two of them', async () => {
  let nowMs = 0;
  const slow: Clock = {
    now: () => clock.now(),
    monotonicMs: () => (nowMs += 20),
    schedule: (delayMs, callback) => clock.schedule(delayMs, callback),
  };
  const turns = Promise.withResolvers<number>();
  let turn = 0;
  const over = instead((work) => {
    turns.resolve(turn);
    return database.transaction(work);
  });
  const ports = { database: over, topics, statements, bus, clock: slow, random, log, onCommitted: () => {} };
  const intake = new Intake(ports);
  const good = till(1);
  intake.offer(topics.journal(good.till), encode(good.batch()));
  for (let i = 0; i < 50; i += 1) intake.offer(topics.journal(`bad-${i}`), Buffer.from('{}'));
  const count = (): void => {
    turn += 1;
    if (turn < 100) setImmediate(count);
  };
  setImmediate(count);
  // … and what is no message does not hold up what is one.
  expect(await turns.promise).toBeGreaterThan(2);
  expect(await turns.promise).toBeLessThan(50);
  await intake.idle();
  expect(intake.status.counts).toMatchObject({ created: 1, malformed: 50 });
});

test('closing while the database is away ends at once and acknowledges nothing', async () => {
  const intake = openIntake(flaky(() => new StammkundeError('DB_UNREACHABLE', 'gone')));
  const one = till();
  intake.offer(topics.journal(one.till), encode(one.batch()));
  await settle();
  await intake.close();
  intake.offer(topics.journal(one.till), encode(one.batch()));
  await settle();
  expect(published).toEqual([]);
});

test('a request is answered to its till alone; another history, another till and a flood are not served', async () => {
  const unknown = { verdict: 'unknown' } as const;
  const responder = new RequestResponder({
    topics,
    statements,
    bus,
    handlers: {
      'feed.page': (_till, question) => answerFeedPage(database, question),
      'feed.ranges': (_till, question) => answerRanges(database, question),
      'feed.bucket': (_till, question) => answerBucket(database, question),
      'app-code.confirm': (_till, { kind }) => Promise.resolve({ kind, ...unknown }),
      'rotating-code.verify': (_till, { kind }) => Promise.resolve({ kind, ...unknown }),
      'snapshot.offer': (_till, { kind }) => Promise.resolve({ kind, offer: 'none' }),
      'snapshot.chunk': () => Promise.reject(new StammkundeError('REP_CHUNK_GONE', 'no chunk is kept')),
      'credential.lookup': (_till, { kind }) => Promise.resolve({ kind, credential: null, customer: null }),
      'points.reserve': (_till, { kind }) =>
        Promise.resolve({ kind, outcome: { verdict: 'refused', code: 'BURN_OFF' } }),
      'points.release': (_till, { kind }) => Promise.resolve({ kind, state: 'unknown' }),
      'points.allowance': (_till, { kind }) => Promise.resolve({ kind, allowance: null }),
    },
    clock,
    log,
  });
  const one = till();
  const body = { kind: 'feed.page', collection: 'customers', after: null, limit: 10 } as const;
  const ask = (after: unknown, requestId = one.id(), as = one.till): void =>
    responder.offer(topics.request(as), encode({ till: one.till, requestId, body: { ...body, after } }));
  const answers = () =>
    published.map(({ payload, topic }) => ({
      topic,
      body: verifyStatement(payload, { kind: 'response', till: one.till, publicKey, now: 0 }).body,
    }));
  ask(null);
  ask({ epoch: 'another', xid: '1', seq: 1 });
  ask(null, one.id(), 'till-other');
  await responder.idle();
  await settle();
  expect(answers()).toMatchObject([
    { topic: topics.response(one.till), body: { ok: true, answer: { page: { more: false } } } },
    { body: { ok: false, code: 'REP_EPOCH_CHANGED' } },
  ]);
  for (let i = 0; i < 500; i += 1) ask(null);
  await responder.idle();
  expect(responder.status.dropped).toBeGreaterThan(350);
  const trial = await readTrialBalance(database.db);
  expect(trial.balanced).toBe(true);
});
