// What the stores promise, held against a real database. Each test brings its own tills, cards and customers, so one
// database serves them all, and whatever they did, the ledger must add up after each.
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterEach, expect, test } from 'vitest';
import { SeededRandom, uuidV7 } from '../../foundation/random.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import type { OfferDocument, ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import type { PreparedCustomer } from '../../server/customers/insert-customers.ts';
import { insertCustomers } from '../../server/customers/insert-customers.ts';
import type { Database } from '../../server/database/database.ts';
import { readFeedHeads, readFeedPage } from '../../server/feed/feed-store.ts';
import { commitBatches } from '../../server/intake/commit-batches.ts';
import { journalKey, readCommitted } from '../../server/intake/journal-store.ts';
import type { Judgement } from '../../server/intake/judge.ts';
import { verdictOf } from '../../server/intake/judge.ts';
import { memberAccount, unclaimedAccount } from '../../server/ledger/accounts.ts';
import { readAccount, readTrialBalance } from '../../server/ledger/ledger-store.ts';
import { post } from '../../server/ledger/post.ts';
import { points } from '../../sync/contract/points.ts';
import { putOffer, putProgramme, withdrawOffer } from '../../server/programme/programme-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { programme } from './programme.ts';
import { TestTill } from './test-till.ts';

const clock = new ManualClock();
const random = new SeededRandom(7);

export function storesSuite(database: () => Database): void {
  const commit = (...batches: readonly ReturnType<TestTill['batch']>[]) =>
    commitBatches(database(), batches, clock);
  const verdicts = (judged: readonly (readonly Judgement[])[]): string[] =>
    judged.flat().map((judgement) => {
      const { verdict, code } = verdictOf(judgement);
      return code === undefined ? verdict : `${verdict} ${code}`;
    });
  const balance = async (account: string): Promise<number> =>
    (await readAccount(database().db, account, { before: undefined, limit: 1 })).balance;
  const customerWith = async (index: string | undefined, tier = 'basic'): Promise<string> => {
    const id = uuidV7(clock.now(), random);
    const [outcome] = await database().transaction((tx) =>
      insertCustomers(tx, [prepared(id, index === undefined ? [] : [index], tier)], { clock, random }),
    );
    expect(outcome?.verdict).toBe('created');
    return id;
  };
  const putRules = () => database().transaction((tx) => putProgramme(tx, programme, clock.now()));

  afterEach(async () => {
    const trial = await readTrialBalance(database().db);
    expect(trial).toMatchObject({ balanced: true, accountsOff: 0, customersOff: 0 });
    expect(trial.debits).toBe(trial.credits);
  });

  test('a sale earns points for whom the card belongs to, and a second delivery nothing more', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    const customer = await customerWith(index, 'gold');
    till.sell(index, 1_999);
    expect(verdicts(await commit(till.batch()))).toEqual(['created']);
    expect(verdicts(await commit(till.batch()))).toEqual(['exists']);
    expect(verdicts(await commit(till.batch(), till.batch()))).toEqual(['exists', 'exists']);
    expect(await balance(memberAccount(customer))).toBe(38);
    const row = await database()
      .db.selectFrom('customer')
      .selectAll()
      .where('id', '=', customer)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ points: 38, points_at: clock.now() });
  });

  test('the same batch twice in one transaction counts once', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    till.sell(index, 500);
    expect(verdicts(await commit(till.batch(), till.batch()))).toEqual(['created', 'exists']);
    expect(await balance(unclaimedAccount(index))).toBe(5);
  });

  test('points of a card nobody has wait, and move to whoever gets the card', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    till.sell(index, 1_000);
    await commit(till.batch());
    expect(await balance(unclaimedAccount(index))).toBe(10);
    const customer = await customerWith(index);
    expect(await balance(unclaimedAccount(index))).toBe(0);
    expect(await balance(memberAccount(customer))).toBe(10);
  });

  test('a void takes back exactly what was posted, once', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    const customer = await customerWith(index);
    till.undo(till.sell(index, 700));
    till.sell(index, 300);
    await commit(till.batch(1, 1));
    await database().transaction((tx) =>
      putProgramme(tx, { ...programme, version: 2, earn: { ...programme.earn, points: 50 } }, 1),
    );
    await commit(till.batch(2, 3));
    await commit(till.batch());
    expect(await balance(memberAccount(customer))).toBe(3);
  });

  test('the void of a card that found its owner since is taken from the owner', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    till.undo(till.sell(index, 900));
    await commit(till.batch(1, 1));
    const customer = await customerWith(index);
    expect(await balance(memberAccount(customer))).toBe(9);
    await commit(till.batch(2, 2));
    expect(await balance(memberAccount(customer))).toBe(0);
    expect(await balance(unclaimedAccount(index))).toBe(0);
  });

  test('a void made after its card was claimed is taken from where its own points went', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    till.sell(index, 1_000);
    await commit(till.batch());
    const customer = await customerWith(index);
    await database()
      .db.updateTable('customer')
      .set({ status: 'closed' })
      .where('id', '=', customer)
      .execute();
    till.undo(till.sell(index, 5_000));
    await commit(till.batch(2, 2));
    expect(await balance(unclaimedAccount(index))).toBe(50);
    await commit(till.batch(3, 3));
    expect(await balance(unclaimedAccount(index))).toBe(0);
    expect(await balance(memberAccount(customer))).toBe(10);
  });

  test('the void of a refused duplicate does not use up the void of the sale that counts', async () => {
    await putRules();
    const [first, second] = [new TestTill(), new TestTill()];
    const index = first.index();
    const saleId = first.id();
    const sale = first.sell(index, 7_000, { saleId });
    await commit(first.batch());
    second.undo(second.sell(index, 7_000, { saleId }));
    expect(verdicts(await commit(second.batch()))).toEqual(['refused SALE_CONFLICT', 'created']);
    expect(await balance(unclaimedAccount(index))).toBe(70);
    first.undo(sale);
    first.undo(sale);
    expect(verdicts(await commit(first.batch()))).toEqual(['exists', 'created', 'created']);
    expect(await balance(unclaimedAccount(index))).toBe(0);
  });

  // Each with an article of its own, so that no other sale gets the bonus.
  let article = 0;
  const offerOnArticle = (reward: OfferDocument['reward']) => {
    article += 1;
    const id = `bonus-${article}`;
    const document: OfferDocument = {
      id,
      title: { de: 'x', en: 'x' },
      validFrom: 0,
      validUntil: Number.MAX_SAFE_INTEGER,
      articles: [id],
      reward,
    };
    const basket = {
      currency: 'EUR',
      lines: [{ id: '1', article: id, quantityMilli: 1_000, totalMinor: 1_000 }],
      totalMinor: 1_000,
    };
    return {
      sale: (at: number) => ({ at, basket }),
      put: (at: number, changed: OfferDocument['reward'] = reward) =>
        database().transaction((tx) => putOffer(tx, { ...document, reward: changed }, at)),
      withdraw: (at: number) => database().transaction((tx) => withdrawOffer(tx, id, at)),
    };
  };
  const HOUR = 3_600_000;
  const pointsOf = (worth: number): OfferDocument['reward'] => ({ kind: 'points', points: worth });

  test('a sale with an offer is posted with its bonus', async () => {
    await putRules();
    const till = new TestTill();
    const [fixed, double] = [till.index(), till.index()];
    const bonus = offerOnArticle(pointsOf(500));
    const multiplier = offerOnArticle({ kind: 'multiplier', percent: 200 });
    await bonus.put(clock.now() - HOUR);
    await multiplier.put(clock.now() - HOUR);
    till.sell(fixed, 0, bonus.sale(clock.now()));
    till.sell(double, 0, multiplier.sale(clock.now()));
    await commit(till.batch());
    expect([await balance(unclaimedAccount(fixed)), await balance(unclaimedAccount(double))]).toEqual([
      510, 20,
    ]);
  });

  test('an offer withdrawn or changed between sale and upload pays what was shown, one made later nothing', async () => {
    await putRules();
    const till = new TestTill();
    const soldAt = clock.now() - 2 * HOUR;
    const [withdrawn, changed, later, back] = [1, 2, 3, 4].map(() => offerOnArticle(pointsOf(500)));
    await withdrawn?.put(soldAt);
    await withdrawn?.withdraw(soldAt + 1);
    await changed?.put(soldAt - HOUR, pointsOf(1));
    await changed?.put(soldAt);
    await changed?.put(soldAt + HOUR, pointsOf(2));
    await later?.put(soldAt + 1);
    await back?.put(soldAt - HOUR);
    await back?.withdraw(soldAt);
    await back?.put(soldAt + HOUR);
    const earned: number[] = [];
    for (const offer of [withdrawn, changed, later, back]) {
      const index = till.index();
      const sale = till.sell(index, 0, offer?.sale(soldAt));
      till.sell(till.index(), 0, offer?.sale(soldAt + HOUR + 1));
      await commit(till.batch(sale.seq, sale.seq + 1));
      earned.push(await balance(unclaimedAccount(index)));
    }
    expect(earned).toEqual([510, 510, 10, 10]);
  });

  test('a till whose clock runs ahead gets the offers of now, and one before all offers those of the first day', async () => {
    await putRules();
    const till = new TestTill();
    const [ahead, behind] = [till.index(), till.index()];
    const bonus = offerOnArticle(pointsOf(500));
    await bonus.put(1_000);
    await bonus.put(clock.now() - HOUR, pointsOf(700));
    await bonus.put(clock.now() + HOUR, pointsOf(900));
    till.sell(ahead, 0, bonus.sale(clock.now() + 2 * HOUR));
    till.sell(behind, 0, bonus.sale(5));
    await commit(till.batch());
    expect([await balance(unclaimedAccount(ahead)), await balance(unclaimedAccount(behind))]).toEqual([
      710, 510,
    ]);
  });

  test('a clock set back does not put an offer’s version before the one it replaces', async () => {
    await putRules();
    const till = new TestTill();
    const [between, now] = [till.index(), till.index()];
    const bonus = offerOnArticle(pointsOf(500));
    await bonus.put(clock.now() - 3 * HOUR);
    await bonus.put(clock.now() - HOUR, pointsOf(600));
    await bonus.put(clock.now() - 2 * HOUR, pointsOf(700));
    till.sell(between, 0, bonus.sale(clock.now() - 1.5 * HOUR));
    till.sell(now, 0, bonus.sale(clock.now()));
    await commit(till.batch());
    expect([await balance(unclaimedAccount(between)), await balance(unclaimedAccount(now))]).toEqual([
      510, 710,
    ]);
  });

  test('a void before its sale, or of a sale nobody knows, is kept and takes effect when the sale comes', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    till.undo(till.sell(index, 400));
    expect(verdicts(await commit(till.batch(2, 2)))).toEqual(['created']);
    expect(await balance(unclaimedAccount(index))).toBe(0);
    expect(verdicts(await commit(till.batch(1, 1)))).toEqual(['created']);
    expect(await balance(unclaimedAccount(index))).toBe(0);
  });

  test('a sale id used twice is refused, stays refused, and does not hold up what follows', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    const saleId = till.id();
    till.sell(index, 100, { saleId });
    till.sell(index, 100, { saleId });
    till.sell(index, 200);
    const expected = ['created', 'refused SALE_CONFLICT', 'created'];
    expect(verdicts(await commit(till.batch()))).toEqual(expected);
    expect(verdicts(await commit(till.batch()))).toEqual(['exists', 'refused SALE_CONFLICT', 'exists']);
    const other = new TestTill();
    other.sell(index, 100, { saleId });
    expect(verdicts(await commit(other.batch()))).toEqual(['refused SALE_CONFLICT']);
    expect(await balance(unclaimedAccount(index))).toBe(3);
  });

  test('a body that is no transaction is kept with its verdict and does not hold up those behind it', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    till.addBody('{"kind":"sale.completed"}');
    till.addBody('not even JSON');
    till.sell(index, 100, { basket: { currency: 'EUR', lines: [], totalMinor: 100 } });
    till.sell(index, 600);
    expect(verdicts(await commit(till.batch()))).toEqual([
      'refused WIRE_MALFORMED',
      'refused WIRE_MALFORMED',
      'refused SALE_TOTAL',
      'created',
    ]);
    expect(await committed(till)).toEqual({ contiguous: 4, hash: till.entries[3]?.hash, holes: [] });
    expect(await balance(unclaimedAccount(index))).toBe(6);
  });

  test('another entry under the same sequence is quarantined with all that follows it, and nothing is overwritten', async () => {
    await putRules();
    const till = new TestTill();
    const index = till.index();
    till.sell(index, 100);
    await commit(till.batch());
    const clone = till.clone();
    till.sell(index, 200);
    await commit(till.batch());
    clone.sell(index, 9_000);
    clone.sell(index, 9_000);
    const expected = ['exists', 'conflict LEDGER_CONFLICT', 'conflict LEDGER_CHAIN'];
    expect(verdicts(await commit(clone.batch()))).toEqual(expected);
    expect(verdicts(await commit(clone.batch()))).toEqual(expected);
    expect(await balance(unclaimedAccount(index))).toBe(3);
    expect(await committed(till)).toMatchObject({ contiguous: 2, hash: till.entries[1]?.hash });
    const kept = await database()
      .db.selectFrom('journal_quarantine')
      .select(['seq', 'code'])
      .where('till', '=', till.till)
      .orderBy('seq')
      .execute();
    expect(kept).toEqual([
      { seq: 2, code: 'LEDGER_CONFLICT' },
      { seq: 3, code: 'LEDGER_CHAIN' },
    ]);
  });

  test('an entry whose hash is not that of its content does not get in', async () => {
    const till = new TestTill();
    const entry = till.sell(till.index(), 100);
    const forged = { ...entry, body: entry.body.replace('"EUR"', '"CHF"') };
    expect(verdicts(await commit({ ...till.batch(), entries: [forged] }))).toEqual(['conflict LEDGER_CHAIN']);
    expect(await committed(till)).toEqual({ contiguous: 0, hash: null, holes: [] });
    expect(verdicts(await commit(till.batch()))).toEqual(['created']);
    expect(verdicts(await commit({ ...till.batch(), entries: [forged] }))).toEqual([
      'conflict LEDGER_CONFLICT',
    ]);
  });

  test('an entry is held against the one after it, when that came first', async () => {
    const till = new TestTill();
    till.sell(null, 100);
    const clone = till.clone();
    till.sell(null, 200);
    till.sell(null, 300);
    await commit(till.batch(1, 1), till.batch(3, 3));
    clone.sell(null, 999);
    expect(verdicts(await commit(clone.batch(2, 2)))).toEqual(['conflict LEDGER_CHAIN']);
    expect(verdicts(await commit(till.batch(2, 2)))).toEqual(['created']);
  });

  test('an entry id under two numbers is quarantined', async () => {
    const till = new TestTill();
    till.sell(null, 100);
    await commit(till.batch());
    const other = new TestTill();
    other.id = () => till.entries[0]?.id ?? '';
    other.addBody('{}');
    expect(verdicts(await commit(other.batch()))).toEqual(['conflict LEDGER_CONFLICT']);
  });

  test('a receipt never runs ahead of a hole, and names it', async () => {
    const till = new TestTill();
    for (let i = 0; i < 9; i += 1) till.sell(null, 100);
    await commit(till.batch(1, 2), till.batch(5, 5), till.batch(8, 9));
    expect(await committed(till)).toEqual({
      contiguous: 2,
      hash: till.entries[1]?.hash,
      holes: [
        [3, 4],
        [6, 7],
      ],
    });
    await commit(till.batch(3, 4));
    expect(await committed(till)).toMatchObject({ contiguous: 5, holes: [[6, 7]] });
    await commit(till.batch(6, 7));
    expect(await committed(till)).toEqual({ contiguous: 9, hash: till.entries[8]?.hash, holes: [] });
  });

  test('any batches, any number of times, in any order, have one effect', async () => {
    await putRules();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(20), fc.nat(5)), { minLength: 1, maxLength: 10 }),
        fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }),
        async (totals, cuts, undone) => {
          const till = new TestTill();
          const index = till.index();
          let expected = 0;
          totals.forEach((total, i) => {
            const sale = till.sell(index, total);
            if (undone[i] === true) till.undo(sale);
            else expected += Math.floor(total / 100);
          });
          const last = till.entries.length;
          const batches = cuts.map(([from, length]) => {
            const first = 1 + (from % last);
            return till.batch(first, Math.min(last, first + length));
          });
          for (let i = 0; i < batches.length; i += 2) {
            await commit(...batches.slice(i, i + 2));
            const { contiguous, hash } = await committed(till);
            expect(hash).toBe(contiguous === 0 ? null : till.entries[contiguous - 1]?.hash);
          }
          await commit(till.batch());
          expect(await committed(till)).toMatchObject({ contiguous: last, holes: [] });
          expect(await balance(unclaimedAccount(index))).toBe(expected);
        },
      ),
      { numRuns: 15 },
    );
  });

  test('postings that do not add up never reach the ledger, neither by our function nor past it', async () => {
    const id = uuidV7(clock.now(), random);
    const crooked = {
      id,
      key: id,
      kind: 'adjust' as const,
      at: 1,
      postings: [{ account: 'issued', points: points(5) }],
    };
    await expect(database().transaction((tx) => post(tx, [crooked], 1))).rejects.toThrow('out of balance');
    const insert = database().transaction(async (tx) => {
      await sql`insert into ledger_transaction (id, idempotency_key, kind, at, recorded_at) values (${id}, ${id}, 'adjust', 1, 1)`.execute(
        tx,
      );
      await sql`insert into ledger_posting (transaction_id, account_id, points) values (${id}, 'issued', 5)`.execute(
        tx,
      );
    });
    await expect(insert).rejects.toThrow('add up to zero');
  });

  test.each(['till_journal', 'ledger_posting', 'ledger_transaction', 'journal_quarantine', 'offer_version'])(
    'nothing in %s can be changed or deleted',
    async (table) => {
      const { db } = database();
      await expect(sql`delete from ${sql.table(table)}`.execute(db)).rejects.toThrow('append-only');
      await expect(sql`truncate ${sql.table(table)} cascade`.execute(db)).rejects.toThrow('append-only');
    },
  );

  test('a card taken by someone refuses its customer and leaves the others', async () => {
    const till = new TestTill();
    const [taken, free] = [till.index(), till.index()];
    await customerWith(taken);
    const batch = [prepared(till.id(), [taken]), prepared(till.id(), [free]), prepared(till.id(), [free])];
    const create = () => database().transaction((tx) => insertCustomers(tx, batch, { clock, random }));
    expect((await create()).map((outcome) => outcome.verdict)).toEqual(['refused', 'created', 'refused']);
    expect((await create()).map((outcome) => outcome.verdict)).toEqual(['refused', 'exists', 'refused']);
  });

  test('pages of the feed bring every change, the latest state once, and end where the head is', async () => {
    const { db, epoch } = database();
    const start = (await readFeedHeads(db, epoch)).heads.customers;
    const ids: string[] = [];
    for (let i = 0; i < 7; i += 1) ids.push(await customerWith(undefined));
    await db
      .updateTable('customer')
      .set({ tier: 'gold' })
      .where('id', '=', ids[2] ?? '')
      .execute();
    const { documents, position } = await pull(database(), 'customers', start, 3);
    expect(documents.map((document) => document['id'])).toEqual([
      ...ids.filter((id) => id !== ids[2]),
      ids[2],
    ]);
    expect(documents.at(-1)).toMatchObject({ tier: 'gold', _deleted: false });
    expect(position).toEqual((await readFeedHeads(db, epoch)).heads.customers);
    expect(await pull(database(), 'customers', position, 3)).toEqual({ documents: [], position });
  });

  test('a page is cut at its size and says that more follows', async () => {
    const { db, epoch } = database();
    const start = (await readFeedHeads(db, epoch)).heads.offers;
    for (let i = 0; i < 3; i += 1) {
      const articles = Array.from({ length: 500 }, (_, n) => `${n}`.padEnd(64, 'x'));
      const categories = articles.slice(0, 100);
      await database().transaction((tx) =>
        putOffer(
          tx,
          {
            id: `wide-${i}`,
            title: { de: 'x', en: 'x' },
            validFrom: 0,
            validUntil: 1,
            articles,
            categories,
            reward: { kind: 'points', points: 1 },
          },
          clock.now(),
        ),
      );
    }
    // 500 articles of 64 characters are 34 kB: the limit of half a megabyte takes over a dozen; the smallest page one.
    const page = await readFeedPage(db, epoch, {
      kind: 'feed.page',
      collection: 'offers',
      after: start,
      limit: 2,
    });
    expect(page).toMatchObject({ more: true });
    expect(page.documents).toHaveLength(2);
    await database().transaction((tx) => withdrawOffer(tx, 'wide-0', clock.now()));
    const { documents } = await pull(database(), 'offers', page.position, 2);
    expect(documents.map((document) => [document['id'], document['_deleted']])).toEqual([
      ['wide-2', false],
      ['wide-0', true],
    ]);
  });

  async function committed(till: TestTill) {
    return (
      (await readCommitted(database().db, [till])).get(journalKey(till)) ?? {
        contiguous: 0,
        hash: null,
        holes: [],
      }
    );
  }
}

export function prepared(id: string, indexes: readonly string[], tier = 'basic'): PreparedCustomer {
  return {
    id,
    customer: { tier, purposes: [], greeting: null, cards: [] },
    cards: indexes.map((index) => ({
      id: uuidV7(clock.now(), random),
      index,
      kind: 'card',
      scheme: 'house',
      validUntil: null,
    })),
  };
}

/** Pulls pages until the end, as a till does. */
export async function pull(
  { db, epoch }: Database,
  collection: ReplicaCollection,
  after: FeedPosition | null,
  limit: number,
): Promise<{ documents: Record<string, unknown>[]; position: FeedPosition | null }> {
  const documents: Record<string, unknown>[] = [];
  let position = after;
  for (;;) {
    const page = await readFeedPage(db, epoch, { kind: 'feed.page', collection, after: position, limit });
    documents.push(...page.documents);
    position = page.position;
    if (!page.more) return { documents, position };
  }
}
