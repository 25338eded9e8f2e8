import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import type { Basket } from '../../../sync/contract/basket.ts';
import type { ProgrammeDocument, OfferDocument } from '../../../sync/contract/replica-documents.ts';
import type { Journal } from '../../../edge/journal/journal.ts';
import type { Identified, IdentifiedAs } from '../../../edge/sale/identified.ts';
import type { RuleBook } from '../../../edge/sale/rule-book.ts';
import { Sales } from '../../../edge/sale/sales.ts';
import type { SalesOptions } from '../../../edge/sale/sales.ts';
import type { ManualClock } from '../../support/manual-clock.ts';

export const CUSTOMER_ID = '0197a000-0000-7000-8000-000000000001';

export const programme: ProgrammeDocument = {
  id: 'programme',
  version: 3,
  currency: 'EUR',
  earn: { points: 1, perMinor: 100, excludedCategories: ['tobacco'] },
  tiers: [
    { id: 'basic', name: { de: 'Basis', en: 'Basic' }, earnPercent: 100 },
    { id: 'gold', name: { de: 'Gold', en: 'Gold' }, earnPercent: 200 },
  ],
  staleAfterMs: 3_600_000,
};

const bonusOffer: OfferDocument = {
  id: 'bonus-50',
  title: { de: '50 Punkte ab 10 €', en: '50 points from 10 €' },
  validFrom: 0,
  validUntil: 8_000_000_000_000,
  minTotalMinor: 1_000,
  reward: { kind: 'points', points: 50 },
};

export const rules: RuleBook = { programme, offers: [bonusOffer], stale: false };

export function newSales(journal: Journal, clock: ManualClock, options: Partial<SalesOptions> = {}): Sales {
  return new Sales({
    store: journal.openSales,
    rules: () => rules,
    clock,
    random: new SeededRandom(11),
    log: silentLog,
    storeId: 'store-1',
    currency: 'EUR',
    ...options,
  });
}

const ids = new SeededRandom(23);

export function newId(clock: ManualClock): string {
  return uuidV7(clock.now(), ids);
}

const goldCustomer: IdentifiedAs = {
  verdict: 'known',
  customer: {
    id: CUSTOMER_ID,
    status: 'active',
    tier: 'gold',
    points: 120,
    pointsAt: 1_700_000_000_000,
    purposes: ['greeting'],
    greeting: 'Ingeborg',
  },
};

export function identified(clock: ManualClock, as: IdentifiedAs = goldCustomer, mark = 'A'): Identified {
  return {
    identificationId: newId(clock),
    credential: 'card …4821',
    index: mark.repeat(43),
    kind: 'card',
    trust: 'L1',
    as,
  };
}

export function basketOf(...totals: readonly number[]): Basket {
  return {
    currency: 'EUR',
    lines: totals.map((totalMinor, i) => ({
      id: String(i + 1),
      article: `article-${i + 1}`,
      quantityMilli: 1000,
      totalMinor,
    })),
    totalMinor: totals.reduce((sum, total) => sum + total, 0),
  };
}
