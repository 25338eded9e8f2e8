// What a customer who asks to be forgotten is promised, held against a real database.
import { sql } from 'kysely';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import { consentTextHash } from '../../../sync/contract/consent.ts';
import type { FeedUrgent } from '../../../sync/contract/messages.ts';
import { FeedUrgent as FeedUrgentSchema } from '../../../sync/contract/messages.ts';
import { Erasures } from '../../../server/customers/erasures.ts';
import { insertCustomers } from '../../../server/customers/insert-customers.ts';
import type { Database } from '../../../server/database/database.ts';
import { FeedKeeper } from '../../../server/feed/feed-keeper.ts';
import { answerFeedPage, readFeedHeads } from '../../../server/feed/feed-store.ts';
import { answerRanges } from '../../../server/feed/ranges.ts';
import { commitBatches } from '../../../server/intake/commit-batches.ts';
import { verdictOf } from '../../../server/intake/judge.ts';
import { memberAccount } from '../../../server/ledger/accounts.ts';
import { readAccount, readTrialBalance } from '../../../server/ledger/ledger-store.ts';
import { currentProgramme, putProgramme } from '../../../server/programme/programme-store.ts';
import { buildSnapshot } from '../../../server/snapshots/build-snapshot.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { linkProgramme } from '../link-programme.ts';
import { chunksWith } from '../snapshots/chunks-with.ts';
import { TestTill } from '../test-till.ts';
import { ModelTill } from './model-till.ts';

const DAY_MS = 86_400_000;
const random = new SeededRandom(4_711);
const [text] = linkProgramme.consentTexts;
/** What holds the keys of the forgotten for as long as tills must be told. */
const UNTIL_THE_HORIZON = ['feed_tombstone', 'erased_index'];

export function erasureSuite(database: () => Database): void {
  afterEach(async () => {
    const trial = await readTrialBalance(database().db);
    expect(trial).toMatchObject({ balanced: true, accountsOff: 0, customersOff: 0 });
  });

  interface Person {
    readonly id: string;
    readonly card: string;
    readonly bankCard: string;
    readonly phone: string;
    readonly secrets: readonly string[];
  }

  /** Somebody of whom there is something everywhere: profile, card, phone, pass, linked bank card, sales before and after. */
  async function somebody(till: TestTill, clock: ManualClock): Promise<Person> {
    const id = uuidV7(clock.now(), random);
    const [card, bankCard, phone, name] = [till.index(), till.index(), till.index(), `Zoë-${till.index()}`];
    if ((await currentProgramme(database().db)) === undefined) {
      await database().transaction((tx) => putProgramme(tx, linkProgramme, 0));
    }
    till.sell(card, 700);
    till.sell(bankCard, 400);
    await commitBatches(database(), [till.batch()], clock);
    await database().transaction((tx) =>
      insertCustomers(
        tx,
        [
          {
            id,
            customer: {
              tier: 'basic',
              purposes: ['greeting'],
              greeting: name,
              profile: { givenName: name, familyName: name, email: `${name}@example.org`, city: name },
              cards: [],
            },
            cards: [{ id: till.id(), index: card, kind: 'card', scheme: 'house', validUntil: null }],
          },
        ],
        { clock, random },
      ),
    );
    const phoneId = till.id();
    await sql`insert into credential (id, index, kind, scheme, customer_id, status, issued_at, public_key)
              values (${phoneId}, ${phone}, 'app', 'device', ${id}, 'active', 0, ${till.index()})`.execute(
      database().db,
    );
    await sql`insert into rotating_secret (credential_id, sealed, period_seconds, digits, algorithm, last_step, made_at)
              values (${phoneId}, ${`sealed-${name}`}, 30, 6, 'SHA1', -1, 0)`.execute(database().db);
    till.add({
      kind: 'credential.linked',
      linkId: till.id(),
      storeId: 'store-1',
      at: 1_000,
      customerId: id,
      credential: { index: bankCard, kind: 'bankcard', scheme: 'emv-par' },
      identifiedBy: { index: card, kind: 'card', trust: 'L1' },
      consent: {
        purpose: 'bankcard_link',
        decision: 'granted',
        textVersion: text.version,
        textSha256: consentTextHash(text.text.de),
        locale: 'de',
        uiVariant: 'display-1',
        channel: 'till',
        operatorRef: 'op-7',
        occurredAt: 1_000,
        clock: 'good',
      },
    });
    till.undo(till.sell(bankCard, 900));
    till.sell(card, 20);
    // Contradicts the entry before: it is kept apart.
    const judged = await commitBatches(database(), [till.batch()], clock);
    expect(judged.flat().map((each) => verdictOf(each).verdict)).not.toContain('refused');
    const other = till.clone();
    other.entries.pop();
    other.sell(card, 5);
    await commitBatches(database(), [other.batch(other.entries.length)], clock);
    return { id, card, bankCard, phone, secrets: [card, bankCard, phone, name] };
  }

  /** Tables with a row in which any of the texts stands, whatever the column. */
  async function tablesWith(texts: readonly string[]): Promise<readonly string[]> {
    const { rows: tables } = await sql<{ name: string }>`
      select table_name as name from information_schema.tables
      where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`.execute(database().db);
    const found: string[] = [];
    for (const { name } of tables) {
      const { rows } = await sql`
        select from ${sql.table(name)} r
        where exists (select from unnest(${[...texts]}::text[]) as n(each) where position(n.each in r::text) > 0) limit 1`.execute(
        database().db,
      );
      if (rows.length > 0) found.push(name);
    }
    if ((await chunksWith(database(), texts)).length > 0) found.push('snapshot_chunk');
    return found.toSorted();
  }

  function erasing(clock: ManualClock): {
    readonly erasures: Erasures;
    readonly told: FeedUrgent[];
    readonly logged: object[];
    readonly keeper: FeedKeeper;
  } {
    const told: FeedUrgent[] = [];
    const logged: object[] = [];
    const note = (entry: object): void => void logged.push(entry);
    const log = { debug: note, info: note, warn: note, error: note };
    const changes = { changed: () => {}, urgent: (change: FeedUrgent) => void told.push(change) };
    return {
      told,
      logged,
      erasures: new Erasures({ database: database(), changes, clock, random, log }),
      keeper: new FeedKeeper({ database: database(), clock, log, tombstoneDays: 180 }),
    };
  }

  test('nothing of an erased customer stands anywhere, tills are told at once, and the books still add up', async () => {
    const clock = new ManualClock(Date.now());
    const till = new TestTill();
    const person = await somebody(till, clock);
    const neighbour = await somebody(new TestTill(), clock);
    expect((await tablesWith(person.secrets)).length).toBeGreaterThan(6);
    const before = await readTrialBalance(database().db);
    const points = (
      await readAccount(database().db, memberAccount(person.id), { before: undefined, limit: 1 })
    ).balance;
    const heads = await readFeedHeads(database().db, database().epoch);
    const held = (): Promise<boolean> => Promise.resolve(true);
    const signal = new AbortController().signal;
    const lease = { hold: held, renew: held };
    await buildSnapshot(database(), { base: 'all', part: null, lease, clock, signal });
    expect(await tablesWith(person.secrets)).toContain('snapshot_chunk');

    const { erasures, told, logged, keeper } = erasing(clock);
    const certificate = await erasures.erase(person.id);
    expect(await tablesWith(person.secrets)).toEqual(UNTIL_THE_HORIZON.toSorted());
    expect(certificate).toMatchObject({ customerId: person.id, credentials: 3, consents: 1 });
    expect(certificate.entries).toBeGreaterThanOrEqual(6);
    const profiles = await tablesWith([neighbour.secrets.at(-1) ?? '']);
    expect(profiles).toEqual(['customer', 'customer_profile', 'rotating_secret']);

    // The books: what was stands, and one movement more takes what is left to an account that is nobody's.
    const after = await readTrialBalance(database().db);
    expect(after).toMatchObject({
      balanced: true,
      debits: before.debits + points,
      credits: before.credits + points,
      transactions: before.transactions + 1,
      memberBalances: before.memberBalances - points,
    });
    expect(
      (await readAccount(database().db, memberAccount(person.id), { before: undefined, limit: 1 })).balance,
    ).toBe(0);
    const { rows: proof } = await sql<{ decision: string; text_sha256: string; object_ref: string }>`
      select decision, text_sha256, object_ref from consent_event where subject_ref = ${person.id}`.execute(
      database().db,
    );
    expect(proof).toEqual([
      { decision: 'granted', text_sha256: consentTextHash(text.text.de), object_ref: '-'.repeat(43) },
    ]);

    // The tills: at once, and with the feed; nothing but keys.
    expect(told).toHaveLength(1);
    const urgent = FeedUrgentSchema.parse(told[0]);
    expect(urgent.erased?.customers).toEqual([person.id]);
    expect(urgent.erased?.credentials.toSorted()).toEqual(
      [person.card, person.bankCard, person.phone].toSorted(),
    );
    const pages = await Promise.all(
      (['credentials', 'customers'] as const).map(async (collection) => {
        const after = heads.heads[collection];
        return (await answerFeedPage(database(), { kind: 'feed.page', collection, after, limit: 100 })).page;
      }),
    );
    expect(pages[1]?.documents).toEqual([{ id: person.id, _deleted: true }]);
    expect(pages[0]?.documents).toHaveLength(3);
    expect(pages[0]?.documents).toContainEqual({ index: person.bankCard, _deleted: true });

    // The log: which erasure, and what it did; nobody's id.
    expect(JSON.stringify(logged)).toContain(certificate.erasureId);
    for (const secret of [...person.secrets, person.id]) expect(JSON.stringify(logged)).not.toContain(secret);

    // Again: the same certificate, and nothing more is told.
    expect(await erasures.erase(person.id)).toEqual(certificate);
    expect(told).toHaveLength(1);
    await expect(erasures.erase(till.id())).rejects.toMatchObject({ code: 'CUSTOMER_NOT_FOUND' });
    await keeper.close();
  });

  test('what tills bring later of an erased customer is erased as well, and a card given out anew is left alone', async () => {
    const clock = new ManualClock(Date.now());
    const till = new TestTill();
    const person = await somebody(till, clock);
    const { erasures, keeper } = erasing(clock);
    await erasures.erase(person.id);
    till.sell(person.card, 1_000);
    till.sell(person.bankCard, 1_000);
    const late = await commitBatches(database(), [till.batch()], clock);
    expect(late.flat().at(-1)).toMatchObject({ kind: 'accepted' });
    expect(await tablesWith([person.card])).toContain('till_journal');
    await keeper.purge();
    expect(await tablesWith(person.secrets)).toEqual(UNTIL_THE_HORIZON.toSorted());
    // The till delivers again, as it does after a restart: known entries are not written again.
    const again = await commitBatches(database(), [till.batch()], clock);
    expect(new Set(again.flat().map((each) => verdictOf(each).verdict))).toEqual(new Set(['exists']));
    expect(await tablesWith(person.secrets)).toEqual(UNTIL_THE_HORIZON.toSorted());

    const heir = uuidV7(clock.now(), random);
    const card = {
      id: till.id(),
      index: person.card,
      kind: 'card',
      scheme: 'house',
      validUntil: null,
    } as const;
    await database().transaction((tx) =>
      insertCustomers(
        tx,
        [{ id: heir, customer: { tier: 'basic', purposes: [], greeting: null, cards: [] }, cards: [card] }],
        { clock, random },
      ),
    );
    till.sell(person.card, 300);
    await commitBatches(database(), [till.batch()], clock);
    await keeper.purge();
    expect(await tablesWith([person.card])).toContain('till_journal');
    expect(
      (await readAccount(database().db, memberAccount(heir), { before: undefined, limit: 1 })).balance,
    ).toBe(3);
    await keeper.close();
  });

  /** Somebody with one card and nothing else. */
  async function holderOf(card: string, clock: ManualClock): Promise<string> {
    const id = uuidV7(clock.now(), random);
    const own = { id: uuidV7(clock.now(), random), index: card, kind: 'card', scheme: 'house' } as const;
    const customer = { tier: 'basic', purposes: [], greeting: null, cards: [] };
    await database().transaction((tx) =>
      insertCustomers(tx, [{ id, customer, cards: [{ ...own, validUntil: null }] }], { clock, random }),
    );
    return id;
  }

  test('a card that an entry names second is found: the link of a bank card that was refused names it still', async () => {
    const clock = new ManualClock(Date.now());
    const till = new TestTill();
    const [card, bankCard] = [till.index(), till.index()];
    const id = await holderOf(card, clock);
    const link = (): void =>
      void till.add({
        kind: 'credential.linked',
        linkId: till.id(),
        storeId: 'store-1',
        at: 1_000,
        customerId: id,
        credential: { index: bankCard, kind: 'bankcard', scheme: 'emv-par' },
        identifiedBy: { index: card, kind: 'card', trust: 'L1' },
        consent: {
          purpose: 'bankcard_link',
          decision: 'granted',
          textVersion: 'never-published',
          textSha256: 'a'.repeat(64),
          locale: 'de',
          uiVariant: 'display-1',
          channel: 'till',
          operatorRef: 'op-7',
          occurredAt: 1_000,
          clock: 'good',
        },
      });
    link();
    const judged = await commitBatches(database(), [till.batch()], clock);
    expect(judged.flat().map((each) => verdictOf(each).verdict)).toEqual(['refused']);
    const { erasures, keeper } = erasing(clock);
    expect(await erasures.erase(id)).toMatchObject({ entries: 1 });
    expect(await tablesWith([card, bankCard])).toEqual(UNTIL_THE_HORIZON.toSorted());
    // And one that the till brings later.
    link();
    await commitBatches(database(), [till.batch()], clock);
    expect(await tablesWith([card])).toContain('till_journal');
    await keeper.purge();
    expect(await tablesWith([card, bankCard])).toEqual(UNTIL_THE_HORIZON.toSorted());
    await keeper.close();
  });

  test('what comes later and goes to quarantine alone is erased as well', async () => {
    const clock = new ManualClock(Date.now());
    const till = new TestTill();
    const card = till.index();
    const id = await holderOf(card, clock);
    till.sell(card, 100);
    await commitBatches(database(), [till.batch()], clock);
    const { erasures, keeper } = erasing(clock);
    await erasures.erase(id);
    const other = till.clone();
    other.entries.pop();
    other.sell(card, 555);
    await commitBatches(database(), [other.batch()], clock);
    expect(await tablesWith([card])).toContain('journal_quarantine');
    await keeper.purge();
    expect(await tablesWith([card])).toEqual(UNTIL_THE_HORIZON.toSorted());
    await keeper.close();
  });

  test('what comes later under the index of a key that was added since is erased, and of who got the card since it is not', async () => {
    const clock = new ManualClock(Date.now());
    const till = new TestTill();
    const indexer = new BlindIndexer([new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)], 'shop');
    const [older = '', newer = ''] = indexer.forms('card', till.id());
    const [givenOlder = '', givenNewer = ''] = indexer.forms('card', till.id());
    const { erasures } = erasing(clock);
    for (const card of [older, givenOlder]) await erasures.erase(await holderOf(card, clock));
    const keeper = new FeedKeeper({
      database: database(),
      clock,
      log: silentLog,
      tombstoneDays: 180,
      indexer,
    });
    await holderOf(givenNewer, clock);
    for (const index of [newer, givenNewer, givenOlder]) till.sell(index, 300);
    await commitBatches(database(), [till.batch()], clock);
    await keeper.purge();
    expect(await tablesWith([newer])).toEqual([]);
    expect(await tablesWith([givenNewer])).toContain('till_journal');
    expect(await tablesWith([givenOlder])).toContain('till_journal');
    await keeper.close();
  });

  // A till goes away holding everybody, somebody is erased, and time passes by the server's clock.
  test('a till that was away for 300 days is refused, and from nothing it gets everybody who is and nobody who was', async () => {
    const clock = new ManualClock(Date.now());
    // More than one page of people who stay, all of them written before anybody is erased.
    await sql`insert into customer (id, status, tier, points_at, created_at)
              select gen_random_uuid(), 'active', 'basic', 0, 0 from generate_series(1, 5)`.execute(
      database().db,
    );
    const person = await somebody(new TestTill(), clock);
    const away = new ModelTill(database(), 'customers');
    const awayCards = new ModelTill(database(), 'credentials');
    await away.pullAll();
    await awayCards.pullAll();
    const halfway = new ModelTill(database(), 'customers');
    await halfway.pullPage(1);
    expect(away.documents.has(person.id)).toBe(true);
    const { erasures, keeper } = erasing(clock);
    await erasures.erase(person.id);

    clock.setWallClock(clock.now() + 179 * DAY_MS);
    await keeper.purge();
    const inTime = new ModelTill(database(), 'customers');
    Object.assign(inTime, { position: away.position });
    inTime.documents.set(person.id, {});
    await inTime.pullAll();
    expect(inTime.documents.has(person.id)).toBe(false);

    clock.setWallClock(clock.now() + 121 * DAY_MS);
    await keeper.purge();
    expect(await tablesWith(person.secrets)).toEqual([]);
    for (const [till, collection] of [
      [away, 'customers'],
      [awayCards, 'credentials'],
      [halfway, 'customers'],
    ] as const) {
      await expect(till.pullPage(100)).rejects.toMatchObject({ code: 'REP_SNAPSHOT_REQUIRED' });
      const at = till.position ?? { epoch: database().epoch, xid: '0', seq: 0 };
      await expect(answerRanges(database(), { kind: 'feed.ranges', collection, at })).rejects.toMatchObject({
        code: 'REP_SNAPSHOT_REQUIRED',
      });
    }
    const anew = new ModelTill(database(), 'customers');
    await anew.pullAll(2);
    expect(anew.documents.has(person.id)).toBe(false);
    expect(await anew.differing()).toEqual([]);
    const { rows } = await sql<{ n: number }>`select count(*) as n from customer`.execute(database().db);
    expect(anew.documents.size).toBe(rows[0]?.n);
    await keeper.close();
  });
}
