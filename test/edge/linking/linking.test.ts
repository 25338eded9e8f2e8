import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import { consentTextHash } from '../../../sync/contract/consent.ts';
import { Credential } from '../../../sync/contract/credential.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import type { Journal } from '../../../edge/journal/journal.ts';
import { ANSWER_WITHIN_MS } from '../../../edge/linking/link-step.ts';
import type { LinkAnswer, LinkingView } from '../../../edge/linking/linking-view.ts';
import type { LinkingPorts } from '../../../edge/linking/linking.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openJournal, temporaryFolder } from '../journal/journal-fixture.ts';
import { CUSTOMER_ID, identified, newId, newSales } from '../sale/sale-fixture.ts';
import { bankCard, linkedCard, linkRules, openLinking, text } from './linking-fixture.ts';
import type { Desk } from './linking-fixture.ts';

interface Counter extends Desk {
  readonly clock: ManualClock;
  readonly journal: Journal;
  readonly folder: string;
}

async function openCounter(options: Partial<LinkingPorts> = {}): Promise<Counter> {
  const clock = new ManualClock();
  const folder = temporaryFolder(onTestFinished);
  const journal = await openJournal(folder, { clock });
  onTestFinished(() => journal.close());
  return { clock, journal, folder, ...openLinking(journal, clock, options) };
}

/** The question that was asked last. */
function asked({ told }: Desk): Extract<LinkingView, { readonly status: 'asking' }> {
  const question = told.findLast((view) => view.status === 'asking');
  if (question === undefined) throw new Error('nothing was asked');
  return question;
}

const yes: LinkAnswer = {
  answer: 'yes',
  textVersion: text.version,
  locale: 'de',
  uiVariant: 'display-1',
  operatorRef: 'op-7',
};
const entries = (journal: Journal): Transaction[] =>
  journal.read(0, 100).map(({ body }) => Transaction.parse(JSON.parse(body)));

test('an unknown bank card while a customer is identified is asked about, with the text in both languages', async () => {
  const counter = await openCounter();
  const { clock, linking } = counter;
  linking.presented(identified(clock), bankCard(clock));
  expect(counter.told).toEqual([
    {
      status: 'asking',
      linkId: asked(counter).linkId,
      customer: {
        id: CUSTOMER_ID,
        greeting: 'Ingeborg',
        tier: 'gold',
        tierName: { de: 'Gold', en: 'Gold' },
      },
      text: { version: text.version, ...text.text },
      answerWithinMs: ANSWER_WITHIN_MS,
    },
  ]);
  expect(linking.current()).toEqual(counter.told[0]);
});

test('a yes is an entry of the journal, with the text, its hash and language as they were shown', async () => {
  const counter = await openCounter();
  const { clock, linking, journal } = counter;
  const [customer, card] = [identified(clock), bankCard(clock)];
  linking.presented(customer, card);
  const { linkId } = asked(counter);
  expect(linking.answer(linkId, yes)).toEqual({ status: 'saved', linkId });
  expect(entries(journal)).toEqual([
    {
      kind: 'credential.linked',
      linkId,
      storeId: 'store-1',
      at: clock.now(),
      customerId: CUSTOMER_ID,
      credential: { index: card.index, kind: 'bankcard', scheme: 'emv-par' },
      identifiedBy: { index: customer.index, kind: 'card', trust: 'L1' },
      consent: {
        purpose: 'bankcard_link',
        decision: 'granted',
        textVersion: text.version,
        textSha256: consentTextHash(text.text.de),
        locale: 'de',
        uiVariant: 'display-1',
        channel: 'till',
        operatorRef: 'op-7',
        occurredAt: clock.now(),
        clock: 'good',
      },
    },
  ]);
  expect(linking.current()).toBeNull();
  expect(clock.pending).toBe(0);
});

test('the same yes again, and again after a restart, is the one entry', async () => {
  const counter = await openCounter();
  const { clock, linking, journal } = counter;
  linking.presented(identified(clock), bankCard(clock));
  const { linkId } = asked(counter);
  expect([linking.answer(linkId, yes), linking.answer(linkId, yes)]).toEqual(
    Array(2).fill({ status: 'saved', linkId }),
  );
  const { linking: restarted } = openLinking(journal, clock);
  expect(restarted.answer(linkId, yes)).toEqual({ status: 'saved', linkId });
  expect(entries(journal)).toHaveLength(1);
  // Nor can it be turned into a no: that is what a withdrawal is for.
  expect(() => linking.answer(linkId, { ...yes, answer: 'no' })).toThrow('LINK_NOT_OPEN');
});

test('a no leaves nothing behind, and the pair is not asked about again', async () => {
  const counter = await openCounter();
  const { clock, linking, journal, told } = counter;
  linking.presented(identified(clock), bankCard(clock));
  const { linkId } = asked(counter);
  linking.answer(linkId, { ...yes, answer: 'no' });
  linking.presented(identified(clock), bankCard(clock));
  expect(told.map(({ status }) => status)).toEqual(['asking', 'declined']);
  expect(journal.lastSeq).toBe(0);
  linking.presented(identified(clock), bankCard(clock, 'C'));
  expect(told.at(-1)?.status).toBe('asking');
});

test('no answer is a no: the question ends in time, nothing is kept, and a late yes is refused', async () => {
  const counter = await openCounter();
  const { clock, linking, journal, told } = counter;
  linking.presented(identified(clock), bankCard(clock));
  const { linkId } = asked(counter);
  await clock.advance(ANSWER_WITHIN_MS - 1);
  expect(linking.current()).toMatchObject({ status: 'asking', answerWithinMs: 1 });
  await clock.advance(1);
  expect(told.at(-1)).toEqual({ status: 'ended', linkId, reason: 'timeout' });
  expect(() => linking.answer(linkId, yes)).toThrow('LINK_NOT_OPEN');
  expect(journal.lastSeq).toBe(0);
});

test('a yes to another text than the one shown is refused, and the question stays', async () => {
  const counter = await openCounter();
  const { clock, linking, journal } = counter;
  linking.presented(identified(clock), bankCard(clock));
  const { linkId } = asked(counter);
  expect(() => linking.answer(linkId, { ...yes, textVersion: 'v0' })).toThrow('LINK_TEXT_OUTDATED');
  expect(journal.lastSeq).toBe(0);
  expect(linking.answer(linkId, yes).status).toBe('saved');
});

test('a journal that takes nothing more leaves the question open', async () => {
  const clock = new ManualClock();
  const full = await openJournal(temporaryFolder(onTestFinished), { clock, unconfirmedMax: 0 });
  onTestFinished(() => full.close());
  const desk = openLinking(full, clock);
  desk.linking.presented(identified(clock), bankCard(clock));
  expect(() => desk.linking.answer(asked(desk).linkId, yes)).toThrow('JRN_FULL');
  expect(desk.linking.current()).toMatchObject({ status: 'asking' });
  expect(desk.told.map(({ status }) => status)).toEqual(['asking']);
});

test('another customer, or nobody in the sale, ends the question; a closed sale does not', async () => {
  const counter = await openCounter();
  const { clock, linking, journal, told } = counter;
  const sales = newSales(journal, clock);
  sales.onChange(() => {
    const { inSale, customer } = sales.customerNow();
    linking.saleChanged(inSale ? (customer ?? null) : undefined);
  });
  const first = sales.open({});
  sales.present(identified(clock));
  linking.presented(identified(clock), bankCard(clock));
  sales.complete(first.saleId);
  expect(told.map(({ status }) => status)).toEqual(['asking']);
  sales.open({});
  expect(told.at(-1)).toMatchObject({ status: 'ended', reason: 'customer-changed' });
});

test('another credential ends the question', async () => {
  const counter = await openCounter();
  const { clock, linking, told } = counter;
  linking.presented(identified(clock), bankCard(clock));
  linking.presented(identified(clock), identified(clock, { verdict: 'unknown' }, 'Z'));
  expect(told.at(-1)).toMatchObject({ status: 'ended', reason: 'customer-changed' });
});

test('without a text, or with a replica too old to rely on a consent, nobody is asked', async () => {
  const { programme } = linkRules;
  if (programme === undefined) throw new Error('no programme');
  const { consentTexts: _, ...textless } = programme;
  for (const rules of [
    { ...linkRules, programme: textless },
    { ...linkRules, programme: undefined },
    { ...linkRules, stale: true },
  ]) {
    const { linking, clock, told } = await openCounter({ rules: () => rules });
    linking.presented(identified(clock), bankCard(clock));
    expect(told).toEqual([]);
  }
});

test('what the server says of a link is told once, also when the till was started anew in between', async () => {
  const counter = await openCounter();
  const { clock, linking, journal, told } = counter;
  linking.presented(identified(clock), bankCard(clock));
  const { linkId } = asked(counter);
  linking.answer(linkId, yes);
  linking.verdict({ seq: 7, verdict: 'created' });
  linking.verdict({ seq: 1, verdict: 'created' });
  linking.verdict({ seq: 1, verdict: 'exists' });
  expect(told.slice(2)).toEqual([{ status: 'confirmed', linkId }]);

  const restarted = openLinking(journal, clock);
  restarted.linking.verdict({ seq: 1, verdict: 'refused', code: 'LINK_TAKEN' });
  expect(restarted.told).toEqual([{ status: 'refused', linkId, code: 'LINK_TAKEN' }]);
});

test('whoever presents a linked card can take the link back, once', async () => {
  const clock = new ManualClock();
  const card = linkedCard(clock);
  const counter = await openCounter({
    identified: (id) => (id === card.identificationId ? card : undefined),
  });
  const { linking, journal, told } = counter;
  const { identificationId } = card;
  const view = linking.withdraw({ identificationId });
  expect(linking.withdraw({ identificationId })).toEqual(view);
  expect(entries(journal)).toMatchObject([
    {
      kind: 'credential.unlinked',
      linkId: identificationId,
      customerId: CUSTOMER_ID,
      credential: { index: card.index, kind: 'bankcard' },
      consent: { decision: 'withdrawn', operatorRef: null },
    },
  ]);
  linking.verdict({ seq: 1, verdict: 'created' });
  expect(told.map(({ status }) => status)).toEqual(['withdrawal-saved', 'withdrawn']);
});

test('what is no linked bank card has nothing to take back', async () => {
  const clock = new ManualClock();
  for (const presented of [undefined, bankCard(clock), identified(clock)]) {
    const { linking, journal } = await openCounter({ identified: () => presented });
    expect(() => linking.withdraw({ identificationId: newId(clock) })).toThrow('API_NOT_FOUND');
    expect(journal.lastSeq).toBe(0);
  }
});

test('the payment account reference is in no message, log or file, whole or in part', async () => {
  const par = 'V0010013022298169667504231315';
  const credential = new Credential('bankcard', 'emv-par', 'L1', par);
  const index = new BlindIndexer(Buffer.alloc(32, 9), 'kaufhaus').indexOf(credential);
  const counter = await openCounter();
  const { clock, linking, journal, folder, told, logged } = counter;
  linking.presented(identified(clock), { ...bankCard(clock), index, credential: credential.toString() });
  linking.answer(asked(counter).linkId, yes);
  const everything = `${JSON.stringify([told, logged, journal.read(0, 10), credential])} ${credential.toString()}`;
  for (const part of [par, par.slice(-4), par.slice(0, 8)]) expect(everything).not.toContain(part);
  expect(everything).toContain(index);
  expect(readFileSync(join(folder, 'journal.db')).includes(par)).toBe(false);
});
