// Goal: a till that asks is told what the feed would bring of one card, in any scope, and no till can walk the numbers.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SeededRandom, uuidV7 } from '../../foundation/random.ts';
import type { LogFields } from '../../foundation/log.ts';
import { silentLog } from '../../foundation/log.ts';
import { Database } from '../../server/database/database.ts';
import { CardLookup } from '../../server/customers/lookup.ts';
import { readFeedPage } from '../../server/feed/feed-store.ts';
import { BlindIndexer } from '../../sync/contract/blind-index.ts';
import { LookupAnswer } from '../../sync/contract/lookup.ts';
import { ManualClock } from '../support/manual-clock.ts';

const random = new SeededRandom(41);
const keys = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const indexer = new BlindIndexer(keys, 'kaufhaus');
let clock: ManualClock;
let database: Database;
let logged: LogFields[];
let lookup: CardLookup;

beforeAll(async () => {
  database = await Database.open({ memory: true }, { clock: new ManualClock(), random, log: silentLog });
});
afterAll(() => database.close());

beforeEach(() => {
  clock = new ManualClock();
  logged = [];
  const log = { ...silentLog, error: (fields: LogFields) => void logged.push(fields) };
  lookup = new CardLookup({ database: database.db, indexer, clock, log });
});

let serial = 0;
interface Made {
  readonly id: string;
  /** Oldest first. */
  readonly forms: readonly string[];
}

/** A customer in a part of the base nobody replicates, with a card under its newest index. */
async function made(
  card: { status?: 'active' | 'blocked'; owned?: boolean } = {},
  purposes: readonly ('greeting' | 'personal_offers')[] = ['greeting'],
): Promise<Made> {
  const forms = indexer.forms('card', String((serial += 1)));
  const id = uuidV7(clock.now(), random);
  await database.db
    .insertInto('customer')
    .values({
      id,
      status: 'active',
      tier: 'gold',
      points: 120,
      points_at: clock.now(),
      purposes: [...purposes],
      greeting: 'Anna',
      created_at: clock.now(),
    })
    .execute();
  await database.db
    .insertInto('customer_profile')
    .values({ customer_id: id, given_name: 'Anna', family_name: 'Kanarienvogel', email: 'a@canary.example' })
    .execute();
  await database.db
    .insertInto('credential')
    .values({
      id: uuidV7(clock.now(), random),
      index: forms.at(-1) ?? '',
      kind: 'card',
      scheme: 'house',
      customer_id: card.owned === false ? null : id,
      status: card.status ?? 'active',
      valid_until: null,
      issued_at: clock.now(),
      public_key: null,
      key_version: 2,
    })
    .execute();
  return { id, forms };
}

const ask = (index = '', till = 'till-1'): Promise<LookupAnswer> =>
  lookup.answer(till, { kind: 'credential.lookup', index });

describe('a lookup', () => {
  test('answers with the very documents of the feed, and nothing else of the person', async () => {
    const { id, forms } = await made();
    const answer = await ask(forms[0]);
    const pages = await Promise.all(
      (['credentials', 'customers'] as const).map((collection) =>
        readFeedPage(database.db, database.epoch, {
          kind: 'feed.page',
          collection,
          after: null,
          limit: 1_000,
        }),
      ),
    );
    const fed = pages.flatMap(({ documents }) => documents).map(({ _deleted, ...document }) => document);
    expect(fed).toContainEqual(answer.credential);
    expect(fed).toContainEqual(answer.customer);
    expect(answer.customer).toMatchObject({ id, greeting: 'Anna' });
    expect(LookupAnswer.parse(answer)).toEqual(answer);
    expect(JSON.stringify(answer)).not.toMatch(/Kanarienvogel|canary/);
  });

  test('finds a card by its oldest index though it is held under the newest', async () => {
    const { forms } = await made();
    expect(forms).toHaveLength(2);
    for (const form of forms) expect((await ask(form)).credential?.index).toBe(forms[1]);
  });

  test('keeps the first name of a customer who did not agree to it', async () => {
    const { forms } = await made({}, []);
    expect((await ask(forms[0])).customer).toMatchObject({ greeting: null, purposes: [] });
  });

  test('says of a blocked card that it is blocked, and not whose it was', async () => {
    const { forms } = await made({ status: 'blocked' });
    expect(await ask(forms[0])).toMatchObject({ credential: { status: 'blocked' }, customer: null });
  });

  test('tells a card that is nobody’s from one that does not exist', async () => {
    const { forms } = await made({ owned: false });
    expect(await ask(forms[0])).toMatchObject({ credential: { customerId: null }, customer: null });
    expect(await ask('x'.repeat(42) + 'A')).toMatchObject({ credential: null, customer: null });
  });

  test('is not answered with somebody else than the owner: such an answer is no answer', () => {
    const credential = {
      index: 'A'.repeat(43),
      kind: 'card',
      customerId: null,
      status: 'active',
      validUntil: null,
    };
    const customer = {
      id: uuidV7(0, random),
      status: 'active',
      tier: 'gold',
      points: 1,
      pointsAt: 0,
      purposes: [],
      greeting: null,
    };
    expect(LookupAnswer.safeParse({ kind: 'credential.lookup', credential, customer }).success).toBe(false);
  });
});

describe('a till that walks through the numbers', () => {
  const index = 'A'.repeat(43);

  test('gets 20 answers at once, 5 a second after, and raises one alarm', async () => {
    for (let i = 0; i < 20; i += 1) await ask(index);
    for (let i = 0; i < 50; i += 1) await expect(ask(index)).rejects.toMatchObject({ code: 'REQ_LIMITED' });
    expect(logged).toHaveLength(1);
    expect(logged).toMatchObject([
      { event: 'lookup.limited', till: 'till-1', error: { code: 'REQ_LIMITED' } },
    ]);
    await clock.advance(1_000);
    for (let i = 0; i < 5; i += 1) await ask(index);
    await expect(ask(index)).rejects.toMatchObject({ code: 'REQ_LIMITED' });
    await clock.advance(60_000);
    for (let i = 0; i < 21; i += 1) await ask(index).catch(() => {});
    expect(logged).toHaveLength(2);
  });

  test('that keeps to that rate is stopped after a thousand', async () => {
    let answered = 0;
    for (let seconds = 0; seconds < 600; seconds += 1) {
      for (let i = 0; i < 5; i += 1) {
        await ask(index).then(
          () => (answered += 1),
          () => {},
        );
      }
      await clock.advance(1_000);
    }
    expect(answered).toBeGreaterThanOrEqual(1_000);
    expect(answered).toBeLessThanOrEqual(1_060);
  });

  test('takes nothing from another till', async () => {
    for (let i = 0; i < 30; i += 1) await ask(index).catch(() => {});
    await expect(ask(index, 'till-2')).resolves.toBeDefined();
  });
});
