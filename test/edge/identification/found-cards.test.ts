import { expect, test } from 'vitest';
import { FoundCards } from '../../../edge/identification/found-cards.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { card, customer, CUSTOMER_ID, NOW } from './documents.ts';

const OLDEST = 'O'.repeat(43);
const found = { credential: card(), customer: customer(), toldAt: NOW };
const quiet = { credentials: [], customers: [] };

function filled() {
  const clock = new ManualClock(NOW);
  const cards = new FoundCards(clock, { cardsMax: 3, keptMs: 600_000 });
  cards.keep(OLDEST, found);
  return { clock, cards };
}

test('a card is remembered for its time, by monotonic time, and not a moment longer', async () => {
  const { clock, cards } = filled();
  clock.setWallClock(NOW + 86_400_000);
  await clock.advance(599_999);
  expect(cards.find(OLDEST)).toBe(found);
  await clock.advance(1);
  expect(cards.find(OLDEST)).toBeUndefined();
  expect(cards.size).toBe(0);
});

test('of more cards than allowed the one told of first is forgotten', () => {
  const { cards } = filled();
  for (const mark of ['B', 'C']) cards.keep(mark.repeat(43), found);
  cards.keep(OLDEST, found);
  cards.keep('D'.repeat(43), found);
  expect(cards.size).toBe(3);
  expect(cards.find(OLDEST)).toBe(found);
  expect(cards.find('B'.repeat(43))).toBeUndefined();
});

test.each([
  ['a block of the card, under any of its indexes', { ...quiet, credentials: [card({ status: 'blocked' })] }],
  ['a block under the index it was asked for by', { ...quiet, credentials: [card({ index: OLDEST })] }],
  ['a consent taken back', { ...quiet, customers: [customer({ purposes: [] })] }],
  ['an erasure of the customer', { ...quiet, erased: { credentials: [], customers: [CUSTOMER_ID] } }],
  ['an erasure of the card', { ...quiet, erased: { credentials: [card().index], customers: [] } }],
])('it is forgotten with %s', (_what, urgent) => {
  const { cards } = filled();
  cards.keep('Z'.repeat(43), {
    ...found,
    credential: card({ index: 'Z'.repeat(43) }),
    customer: customer({ id: '018f0000-0000-7000-8000-000000000009' }),
  });
  cards.heard(urgent);
  expect(cards.find(OLDEST)).toBeUndefined();
  expect(cards.size).toBe(1);
});

test('nothing is remembered once it was cleared', () => {
  const { cards } = filled();
  cards.clear();
  expect(cards.find(OLDEST)).toBeUndefined();
});
