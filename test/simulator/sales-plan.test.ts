import { expect, test } from 'vitest';
import { SeededRandom } from '../../foundation/random.ts';
import { hasGs1CheckDigit } from '../../foundation/check-digit.ts';
import { OfferDocument, ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import { demoArticles, demoOffers, demoProgramme } from '../../simulator/demo-programme.ts';
import { Population, tierIds } from '../../simulator/population.ts';
import { planSales } from '../../simulator/sales-plan.ts';
import { cardShowing } from '../../simulator/showable-cards.ts';

const population = new Population(10_000);
const plan = planSales(50, population, new SeededRandom(1));

test('the same seed plans the same day', () => {
  expect(planSales(50, population, new SeededRandom(1))).toEqual(plan);
});

test('fifty sales see every kind of customer, at every moment of a sale', () => {
  const verdicts = new Set(plan.map((sale) => sale.customer?.shows.verdict ?? 'nobody'));
  expect(verdicts).toEqual(new Set(['known', 'unknown', 'blocked', 'expired', 'nobody']));
  expect(new Set(plan.map((sale) => sale.customer?.moment))).toEqual(
    new Set(['before', 'during', 'after', undefined]),
  );
});

test.each([3, 6, 50])(
  'of %i sales some take place while the network is down, the first and last do not',
  (n) => {
    const networks = planSales(n, population, new SeededRandom(1)).map((sale) => sale.network);
    expect(networks.some((network) => network !== 'up')).toBe(true);
    expect(networks.at(0)).toBe('up');
    expect(networks.at(-1)).toBe('up');
  },
);

test('a card shows what it was looked up for', () => {
  const now = Date.UTC(2026, 6, 1);
  const known = cardShowing('known', population, 17, (member) => member.tier === 'gold');
  expect(known.member).toMatchObject({ tier: 'gold', status: 'active' });
  const expired = cardShowing('expired', population, 17);
  expect(expired.member?.cards.find((card) => card.number === expired.card.number)?.validUntil).toBeLessThan(
    now,
  );
  expect(cardShowing('unknown', population, 17).member).toBeUndefined();
});

test('the demo’s programme, offers and articles are what the contract asks for', () => {
  expect(ProgrammeDocument.parse(demoProgramme).tiers.map((tier) => tier.id)).toEqual([...tierIds]);
  const offers = demoOffers(Date.UTC(2026, 0, 1)).map((offer) => OfferDocument.parse(offer));
  expect(new Set(offers.map((offer) => offer.id)).size).toBe(offers.length);
  expect(new Set(offers.map((offer) => offer.reward.kind))).toEqual(
    new Set(['points', 'multiplier', 'discount', 'percent']),
  );
  for (const { gtin } of demoArticles) expect(hasGs1CheckDigit(gtin)).toBe(true);
});
