import { expect, test } from 'vitest';
import { linkPairOf, staysWith } from '../../../edge/linking/link-pair.ts';
import type { IdentifiedAs } from '../../../edge/sale/identified.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { CUSTOMER_ID, identified } from '../sale/sale-fixture.ts';
import { bankCard, linkedCard } from './linking-fixture.ts';

const clock = new ManualClock();
const customer = identified(clock);
const card = bankCard(clock);
const others: readonly IdentifiedAs[] = [
  { verdict: 'unknown' },
  { verdict: 'blocked' },
  { verdict: 'expired', since: 0 },
];

test('a customer by their own card and an unknown bank card are a pair, whichever came first', () => {
  const pair = linkPairOf(customer, card);
  expect(pair).toMatchObject({
    customer: { id: CUSTOMER_ID },
    identifiedBy: { index: customer.index, kind: 'card', trust: 'L1' },
    card: { index: card.index, scheme: 'emv-par' },
  });
  expect(linkPairOf(card, customer)).toEqual(pair);
});

test('a bank card alone makes no pair', () => {
  expect(linkPairOf(undefined, card)).toBeUndefined();
  expect(linkPairOf(bankCard(clock, 'C'), card)).toBeUndefined();
});

test('a bank card somebody is known by, or that is blocked or expired, is not asked about', () => {
  expect(linkPairOf(customer, linkedCard(clock))).toBeUndefined();
  for (const as of others.slice(1)) expect(linkPairOf(customer, { ...card, as })).toBeUndefined();
});

test('whoever is not known cannot link', () => {
  for (const as of others) expect(linkPairOf({ ...customer, as }, card)).toBeUndefined();
});

test('a typed number and a linked bank card say too little of who it is', () => {
  expect(linkPairOf({ ...customer, trust: 'L0' }, card)).toBeUndefined();
  expect(linkPairOf(linkedCard(clock, 'C'), card)).toBeUndefined();
});

test('a bank card of which it is no longer known what it is makes no pair', () => {
  const { bankCard: _, ...restored } = card;
  expect(linkPairOf(restored, customer)).toBeUndefined();
});

test('a bank card takes no customer’s place who identified themselves, known or not', () => {
  expect(staysWith(customer, card)).toBe(true);
  expect(staysWith(customer, linkedCard(clock))).toBe(true);
});

test('a bank card counts where nobody is known by anything better', () => {
  expect(staysWith(undefined, card)).toBe(false);
  expect(staysWith(linkedCard(clock, 'C'), card)).toBe(false);
  for (const as of others) expect(staysWith({ ...customer, as }, card)).toBe(false);
});

test('any other credential takes its place as ever', () => {
  expect(staysWith(customer, identified(clock, customer.as, 'D'))).toBe(false);
  expect(staysWith(card, customer)).toBe(false);
});
