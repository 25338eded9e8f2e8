// What the server promises about linked bank cards and their consents, held against a real database.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { SeededRandom, uuidV7 } from '../../foundation/random.ts';
import { consentTextHash } from '../../sync/contract/consent.ts';
import type { CredentialLinked, CredentialUnlinked } from '../../sync/contract/link.ts';
import type { FeedUrgent } from '../../sync/contract/messages.ts';
import { BankCards } from '../../server/cards/bank-cards.ts';
import { consentGenesis, consentHash } from '../../server/consent/consent-event.ts';
import { readConsents } from '../../server/consent/consent-store.ts';
import { insertCustomers } from '../../server/customers/insert-customers.ts';
import type { Database } from '../../server/database/database.ts';
import { commitBatches } from '../../server/intake/commit-batches.ts';
import { verdictOf } from '../../server/intake/judge.ts';
import type { Judgement } from '../../server/intake/judge.ts';
import { memberAccount, unclaimedAccount } from '../../server/ledger/accounts.ts';
import { readAccount, readTrialBalance } from '../../server/ledger/ledger-store.ts';
import { currentProgramme, putProgramme } from '../../server/programme/programme-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { singleForm } from '../../sync/contract/blind-index.ts';
import { linkProgramme } from './link-programme.ts';
import { TestTill } from './test-till.ts';

const clock = new ManualClock();
const random = new SeededRandom(77);
const [text] = linkProgramme.consentTexts;

export function linksSuite(database: () => Database): void {
  const commit = async (...tills: readonly TestTill[]): Promise<readonly Judgement[]> =>
    (
      await commitBatches(
        database(),
        tills.map((till) => till.batch()),
        clock,
        undefined,
        'kaufhaus',
      )
    ).flat();
  const verdicts = (judged: readonly Judgement[]): string[] =>
    judged.map((judgement) => {
      const { verdict, code } = verdictOf(judgement);
      return code === undefined ? verdict : `${verdict} ${code}`;
    });
  const balance = async (account: string): Promise<number> =>
    (await readAccount(database().db, account, { before: undefined, limit: 1 })).balance;
  const customer = async (index?: string): Promise<string> => {
    const id = uuidV7(clock.now(), random);
    const card = {
      id: uuidV7(clock.now(), random),
      kind: 'card',
      scheme: 'house-card',
      validUntil: null,
    } as const;
    const cards = index === undefined ? [] : [{ ...card, index }];
    await database().transaction(async (tx) => {
      if ((await currentProgramme(tx))?.version !== linkProgramme.version)
        await putProgramme(tx, linkProgramme, 0);
      const plain = { tier: 'basic', purposes: [], greeting: null, cards: [] };
      return insertCustomers(tx, [{ id, customer: plain, cards }], { clock, random });
    });
    return id;
  };
  const ownerOf = async (index: string): Promise<string | null | undefined> => {
    const row = await database()
      .db.selectFrom('credential')
      .select('customer_id')
      .where('index', '=', index)
      .executeTakeFirst();
    return row === undefined ? undefined : row.customer_id;
  };
  const events = (customerId: string) => readConsents(database().db, [customerId]);
  const bankCards = (urgent: FeedUrgent[] = []): BankCards =>
    new BankCards({
      database: database(),
      indexer: singleForm,
      changes: { changed: () => {}, urgent: (change) => void urgent.push(change) },
      clock,
      random,
      controller: 'kaufhaus',
    });

  test('a yes makes the card the customer’s and is kept as it was given; delivered again, it is one', async () => {
    const till = new TestTill();
    const [id, index] = [await customer(), till.index()];
    const entry = till.add(linked(till, id, index));
    expect(verdicts(await commit(till))).toEqual(['created']);
    expect(verdicts(await commit(till))).toEqual(['exists']);
    expect(await ownerOf(index)).toBe(id);
    const [event, ...more] = await events(id);
    expect(more).toEqual([]);
    expect(event).toMatchObject({
      eventId: entry.id,
      subjectRef: id,
      purposeCode: 'bankcard_link',
      objectRef: index,
      decision: 'granted',
      textVersion: text.version,
      textSha256: consentTextHash(text.text.de),
      locale: 'de',
      uiVariant: 'display-1',
      channel: 'till',
      terminalId: till.till,
      storeId: 'store-1',
      operatorRef: 'op-7',
      recordedAt: clock.now(),
      clockQuality: 'good',
      evidenceSha256: entry.hash,
      controller: 'kaufhaus',
      recipients: [],
    });
  });

  test('what was earned with the card before comes along, and what is bought after is the customer’s', async () => {
    const till = new TestTill();
    const [id, index] = [await customer(), till.index()];
    till.sell(index, 500);
    till.add(linked(till, id, index));
    till.sell(index, 300);
    await commit(till);
    expect(await balance(memberAccount(id))).toBe(8);
    expect(await balance(unclaimedAccount(index))).toBe(0);
    expect((await readTrialBalance(database().db)).balanced).toBe(true);
  });

  test('a card that is somebody’s is not taken over: refused with LINK_TAKEN, kept in the journal', async () => {
    const till = new TestTill();
    const [first, second, index] = [await customer(), await customer(), till.index()];
    till.add(linked(till, first, index));
    const late = till.add(linked(till, second, index));
    expect(verdicts(await commit(till))).toEqual(['created', 'refused LINK_TAKEN']);
    expect(verdicts(await commit(till))).toEqual(['exists', 'refused LINK_TAKEN']);
    expect(await ownerOf(index)).toBe(first);
    expect(await events(second)).toEqual([]);
    const kept = await database()
      .db.selectFrom('till_journal')
      .select(['verdict', 'code', 'body'])
      .where('id', '=', late.id)
      .executeTakeFirstOrThrow();
    expect(kept).toEqual({ verdict: 'refused', code: 'LINK_TAKEN', body: late.body });
  });

  test('of two tills that link one card at the same time one is refused', async () => {
    const [a, b] = [new TestTill(), new TestTill()];
    const [first, second, index] = [await customer(), await customer(), a.index()];
    a.add(linked(a, first, index));
    b.add(linked(b, second, index));
    const outcome = await Promise.all([commit(a), commit(b)]);
    expect(outcome.flatMap(verdicts).toSorted()).toEqual(['created', 'refused LINK_TAKEN']);
  });

  test('a house card cannot be linked away as a bank card', async () => {
    const till = new TestTill();
    const house = till.index();
    const [owner, thief] = [await customer(house), await customer()];
    till.add(linked(till, thief, house));
    till.add(unlinked(till, owner, house));
    expect(verdicts(await commit(till))).toEqual(['refused LINK_TAKEN', 'refused LINK_TAKEN']);
    expect(await ownerOf(house)).toBe(owner);
  });

  test('a yes to a text that was never published is none', async () => {
    const till = new TestTill();
    const [id, index] = [await customer(), till.index()];
    const link = linked(till, id, index);
    const with_ = (consent: Partial<CredentialLinked['consent']>) =>
      till.add({ ...link, linkId: till.id(), consent: { ...link.consent, ...consent } });
    with_({ textVersion: 'never' });
    with_({ textSha256: consentTextHash('something else') });
    // The English words under the name of the German ones.
    with_({ textSha256: consentTextHash(text.text.en) });
    expect(verdicts(await commit(till))).toEqual(Array(3).fill('refused LINK_TEXT_UNKNOWN'));
    expect(await ownerOf(index)).toBeUndefined();
  });

  test('a customer nobody knows gets no card', async () => {
    const till = new TestTill();
    await customer();
    till.add(linked(till, till.id(), till.index()));
    expect(verdicts(await commit(till))).toEqual(['refused CUSTOMER_NOT_FOUND']);
  });

  test('an entry that names a typed number, or a bank card, as who the customer is, is refused', async () => {
    const till = new TestTill();
    const link = linked(till, await customer(), till.index());
    till.addBody(JSON.stringify({ ...link, identifiedBy: { ...link.identifiedBy, trust: 'L0' } }));
    till.addBody(JSON.stringify({ ...link, identifiedBy: { ...link.identifiedBy, kind: 'bankcard' } }));
    till.addBody(JSON.stringify({ ...link, consent: { ...link.consent, decision: 'refused' } }));
    expect(verdicts(await commit(till))).toEqual(Array(3).fill('refused WIRE_MALFORMED'));
  });

  test('a withdrawal at a till takes the card at once, leaves the points, and is kept with the text it takes back', async () => {
    const till = new TestTill();
    const [id, index] = [await customer(), till.index()];
    till.add(linked(till, id, index, 1_000));
    till.sell(index, 500);
    till.add(unlinked(till, id, index, 2_000));
    till.sell(index, 900);
    const judged = await commit(till);
    expect(verdicts(judged)).toEqual(['created', 'created', 'created', 'created']);
    expect(judged[2]).toMatchObject({
      taken: { documents: [{ index, customerId: null, kind: 'bankcard' }] },
    });
    expect(await ownerOf(index)).toBeNull();
    expect(await balance(memberAccount(id))).toBe(5);
    expect(await balance(unclaimedAccount(index))).toBe(9);
    expect((await events(id)).map(({ decision, textVersion }) => [decision, textVersion])).toEqual([
      ['granted', text.version],
      ['withdrawn', text.version],
    ]);
  });

  test('a yes that arrives after a later withdrawal is kept and changes nothing', async () => {
    const [prompt, slow] = [new TestTill(), new TestTill()];
    const [id, index] = [await customer(), prompt.index()];
    prompt.add(linked(prompt, id, index, 1_000));
    prompt.add(unlinked(prompt, id, index, 3_000));
    await commit(prompt);
    slow.add(linked(slow, id, index, 2_000));
    expect(verdicts(await commit(slow))).toEqual(['created']);
    expect(await ownerOf(index)).toBeNull();
    expect(await events(id)).toHaveLength(3);
  });

  test('after a withdrawal the card can be linked again, to anybody; a void then takes points from who earned them', async () => {
    const till = new TestTill();
    const [first, second, index] = [await customer(), await customer(), till.index()];
    const sale = till.sell(index, 500);
    till.add(linked(till, first, index, 1_000));
    till.add(unlinked(till, first, index, 2_000));
    till.add(linked(till, second, index, 3_000));
    till.undo(sale);
    expect(verdicts(await commit(till))).toEqual(Array(5).fill('created'));
    expect(await ownerOf(index)).toBe(second);
    expect(await balance(memberAccount(first))).toBe(0);
    expect(await balance(memberAccount(second))).toBe(0);
    expect((await readTrialBalance(database().db)).balanced).toBe(true);
  });

  test('customer service lists linked cards without a trace of their number, and takes a link back for all tills', async () => {
    const till = new TestTill();
    const [id, other, index] = [await customer(), await customer(), till.index()];
    till.add(linked(till, id, index));
    await commit(till);
    const urgent: FeedUrgent[] = [];
    const service = bankCards(urgent);
    const [card, ...more] = await service.list(id);
    expect(more).toEqual([]);
    expect(card).toMatchObject({
      scheme: 'emv-par',
      linkedIn: { till: till.till, store: 'store-1' },
      textVersion: text.version,
    });
    expect(JSON.stringify([card, await service.consents(id)])).not.toContain(index);

    const cardId = card?.id ?? '';
    await expect(service.withdraw(other, cardId, { channel: 'hotline' })).rejects.toMatchObject({
      code: 'CARD_NOT_FOUND',
    });
    await service.withdraw(id, cardId, { channel: 'hotline' });
    await service.withdraw(id, cardId, { channel: 'hotline' });
    expect(urgent).toMatchObject([{ credentials: [{ index, customerId: null }], customers: [] }]);
    expect(await service.list(id)).toEqual([]);
    expect(await ownerOf(index)).toBeNull();
    expect((await service.consents(id)).map(({ decision, channel }) => [decision, channel])).toEqual([
      ['granted', 'till'],
      ['withdrawn', 'hotline'],
    ]);
  });

  test('consent events are chained for each person, and nothing changes or removes one', async () => {
    const till = new TestTill();
    const [id, index] = [await customer(), till.index()];
    till.add(linked(till, id, index, 1_000));
    till.add(unlinked(till, id, index, 2_000));
    await commit(till);
    let previous = consentGenesis(id);
    for (const event of await events(id)) {
      expect(event.prevHash).toBe(previous);
      expect(event.hash).toBe(consentHash(event, previous));
      previous = event.hash;
    }
    const { db } = database();
    await expect(sql`update consent_event set decision = 'granted'`.execute(db)).rejects.toThrow(
      'append-only',
    );
    await expect(sql`delete from consent_event`.execute(db)).rejects.toThrow('append-only');
  });
}

function linked(till: TestTill, customerId: string, index: string, occurredAt = 1_000): CredentialLinked {
  return {
    kind: 'credential.linked',
    linkId: till.id(),
    storeId: 'store-1',
    at: occurredAt,
    customerId,
    credential: { index, kind: 'bankcard', scheme: 'emv-par' },
    identifiedBy: { index: till.index(), kind: 'card', trust: 'L1' },
    consent: {
      purpose: 'bankcard_link',
      decision: 'granted',
      textVersion: text.version,
      textSha256: consentTextHash(text.text.de),
      locale: 'de',
      uiVariant: 'display-1',
      channel: 'till',
      operatorRef: 'op-7',
      occurredAt,
      clock: 'good',
    },
  };
}

function unlinked(till: TestTill, customerId: string, index: string, occurredAt = 2_000): CredentialUnlinked {
  return {
    kind: 'credential.unlinked',
    linkId: till.id(),
    storeId: 'store-1',
    at: occurredAt,
    customerId,
    credential: { index, kind: 'bankcard' },
    consent: {
      purpose: 'bankcard_link',
      decision: 'withdrawn',
      channel: 'till',
      operatorRef: null,
      occurredAt,
      clock: 'good',
    },
  };
}
