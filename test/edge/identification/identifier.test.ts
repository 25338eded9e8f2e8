import { describe, expect, test } from 'vitest';
import { Identification } from '../../../edge/api/events.ts';
import { Identifier } from '../../../edge/identification/identifier.ts';
import type { ReplicaView } from '../../../edge/identification/replica-view.ts';
import { ruleBookOf } from '../../../edge/rule-book-of.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import { Credential } from '../../../sync/contract/credential.ts';
import type { CredentialDocument, CustomerDocument } from '../../../sync/contract/replica-documents.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { basketOf, line, offerOf, programme } from '../../sync/contract/offers.ts';
import { card, customer, CUSTOMER_ID, NOW } from './documents.ts';

const indexer = new BlindIndexer(new Uint8Array(32).fill(7), 'kaufhaus');
const presented = new Credential('card', 'house', 'L1', '2900000123454');

interface Held {
  readonly card?: CredentialDocument;
  readonly customer?: CustomerDocument;
  readonly caughtUpAt?: number | null;
}

/** An identifier over a replica that holds at most one card and customer, and what it was asked for. */
function identifierOver(held: Held) {
  const clock = new ManualClock(NOW);
  const asked: string[] = [];
  const replica: ReplicaView & Parameters<typeof ruleBookOf>[0] = {
    credential(index) {
      asked.push(index);
      return held.card?.index === index ? held.card : undefined;
    },
    customer(id) {
      asked.push(id);
      return held.customer?.id === id ? held.customer : undefined;
    },
    caughtUpAt: held.caughtUpAt === undefined ? NOW - 5_000 : held.caughtUpAt,
    programme,
    offers: [
      offerOf({ id: 'for-all' }),
      offerOf({ id: 'personal', purpose: 'personal_offers' }),
      offerOf({ id: 'from-40', minTotalMinor: 4_000 }),
    ],
  };
  const identifier = new Identifier({ indexer, replica, rules: ruleBookOf(replica, clock), clock });
  return { identifier, asked, clock };
}

const annasCard = card({ index: indexer.indexOf(presented) });

describe('an identification', () => {
  test('names the customer, with tier, age of the replica and offers, from one hash and two reads', () => {
    const { identifier, asked } = identifierOver({ card: annasCard, customer: customer() });
    const result = identifier.identify(presented);
    expect(result).toMatchObject({
      index: annasCard.index,
      as: { verdict: 'known', customer: customer() },
      identification: {
        verdict: 'known',
        customer: { greeting: 'Anna', tier: 'gold', tierName: { de: 'Gold', en: 'Gold' }, points: 1_234 },
      },
      currency: 'EUR',
      replicaAgeMs: 5_000,
      tookMs: 0,
    });
    expect(Identification.safeParse(result.identification).success).toBe(true);
    expect(asked).toEqual([annasCard.index, CUSTOMER_ID]);
    expect(result.offers.map(({ offerId, applies }) => [offerId, applies])).toEqual([
      ['for-all', true],
      ['personal', true],
      ['from-40', false],
    ]);
  });

  test('weighs offers against the basket that is already there', () => {
    const { identifier } = identifierOver({ card: annasCard, customer: customer() });
    const { offers } = identifier.identify(presented, basketOf(line(4_000)));
    expect(offers.every((offer) => offer.applies && offer.bonusPoints === 50)).toBe(true);
  });

  test('of a card nobody is known to own is unknown, with the offers that ask for nobody', () => {
    const { identifier } = identifierOver({});
    const result = identifier.identify(presented);
    expect(result.identification).toEqual({ verdict: 'unknown' });
    expect(result.offers.filter(({ applies }) => applies).map(({ offerId }) => offerId)).toEqual(['for-all']);
  });

  test('of a blocked or expired card offers nothing', () => {
    for (const each of [
      card({ ...annasCard, status: 'blocked' }),
      card({ ...annasCard, validUntil: NOW - 1 }),
    ]) {
      const { identifier } = identifierOver({ card: each, customer: customer() });
      expect(identifier.identify(presented).offers).toEqual([]);
    }
  });

  test('from a stale replica leaves out all that rests on consent, and still knows the customer', () => {
    const caughtUpAt = NOW - programme.staleAfterMs - 1;
    const { identifier } = identifierOver({ card: annasCard, customer: customer(), caughtUpAt });
    const result = identifier.identify(presented);
    expect(result.identification).toMatchObject({
      verdict: 'known',
      customer: { greeting: null, points: 1_234 },
    });
    expect(result.offers.find(({ offerId }) => offerId === 'personal')?.whyNot).toEqual([{ code: 'STALE' }]);
    expect(result.replicaAgeMs).toBe(programme.staleAfterMs + 1);
  });

  test('from a replica that was never complete has no age, and one from the future an age of 0', () => {
    expect(identifierOver({ caughtUpAt: null }).identifier.identify(presented).replicaAgeMs).toBeNull();
    expect(identifierOver({ caughtUpAt: NOW + 9 }).identifier.identify(presented).replicaAgeMs).toBe(0);
  });

  test('after the clock was set back has no age, and rests on no consent', () => {
    const caughtUpAt = NOW + 86_400_000;
    const { identifier } = identifierOver({ card: annasCard, customer: customer(), caughtUpAt });
    const result = identifier.identify(presented);
    expect(result).toMatchObject({
      identification: { verdict: 'known', customer: { greeting: null } },
      replicaAgeMs: null,
    });
    expect(result.offers.find(({ offerId }) => offerId === 'personal')?.whyNot).toEqual([{ code: 'STALE' }]);
  });

  test('takes its duration from monotonic time, not from the wall clock', () => {
    const { identifier, clock } = identifierOver({ card: annasCard, customer: customer() });
    clock.setWallClock(NOW + 3_600_000);
    expect(identifier.identify(presented).tookMs).toBe(0);
  });

  test('of the same number of another kind finds another card', () => {
    const { identifier } = identifierOver({ card: annasCard, customer: customer() });
    const app = new Credential('app', 'app', 'L1', presented.reveal());
    expect(identifier.identify(app).identification).toEqual({ verdict: 'unknown' });
  });
});
