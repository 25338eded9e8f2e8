import type { EventMessage, SaleView, SyncView, TillEvent } from '../../../edge/api/events.ts';
import type { OfferView } from '../../../sync/contract/offer.ts';

/** The till's wall clock in all samples: 22 November 2026, 14:05 UTC. */
export const AT = Date.UTC(2026, 10, 22, 14, 5);

const MINUTE_MS = 60_000;

/** A UUID that ends in `n`. */
export function uuid(n: number): string {
  return `0190a000-0000-7000-8000-${String(n).padStart(12, '0')}`;
}

/** Numbers payloads from 1, as the till does. */
export function numbered(...payloads: readonly TillEvent[]): EventMessage[] {
  return payloads.map((payload, index) => ({ n: index + 1, at: AT, payload }));
}

export const wellSync: SyncView = {
  server: 'connected',
  unconfirmed: 0,
  diverged: false,
  replica: { ready: true, customers: 10_000, credentials: 12_000, caughtUpAt: AT - 4_000, ageMs: 4_000 },
};

export const offlineSync: SyncView = {
  server: 'disconnected',
  unconfirmed: 37,
  diverged: false,
  replica: {
    ready: true,
    customers: 10_000,
    credentials: 12_000,
    caughtUpAt: AT - 23 * MINUTE_MS,
    ageMs: 23 * MINUTE_MS,
  },
};

export const hello: Extract<TillEvent, { event: 'hello' }> = {
  event: 'hello',
  till: 'store-12-till-3',
  store: 'store-12',
  sale: null,
  sync: wellSync,
  readers: [{ id: 'counter', kind: 'serial-line', status: 'ready', code: null, scans: 41 }],
};

export const offers: readonly OfferView[] = [
  {
    offerId: 'bread',
    title: { de: 'Brot & Gebäck: 4,50 € mehr', en: 'Bread & pastry: spend a little more' },
    applies: false,
    bonusPoints: 0,
    discountMinor: 0,
    whyNot: [{ code: 'TOTAL_TOO_LOW', missingMinor: 450 }],
  },
  {
    offerId: 'gold',
    title: { de: 'Goldwoche', en: 'Gold week' },
    applies: false,
    bonusPoints: 0,
    discountMinor: 0,
    whyNot: [{ code: 'OTHER_TIER', tiers: ['gold', 'platin'] }],
  },
  {
    offerId: 'coffee',
    title: { de: '50 Extrapunkte auf Kaffee', en: '50 extra points on coffee' },
    applies: true,
    bonusPoints: 50,
    discountMinor: 0,
    whyNot: [],
  },
  {
    offerId: 'advent',
    title: { de: 'Adventrabatt', en: 'Advent discount' },
    applies: true,
    bonusPoints: 0,
    discountMinor: 200,
    whyNot: [],
  },
  {
    offerId: 'xmas',
    title: { de: 'Weihnachtsaktion', en: 'Christmas special' },
    applies: false,
    bonusPoints: 0,
    discountMinor: 0,
    whyNot: [{ code: 'NOT_YET', from: Date.UTC(2026, 11, 1, 8) }, { code: 'ARTICLE_MISSING' }],
  },
];

type Identified = Extract<TillEvent, { event: 'identified' }>;

export const known: Identified = {
  event: 'identified',
  identificationId: uuid(1),
  scanId: uuid(101),
  credential: 'card …4821',
  trust: 'L1',
  may: ['earn-limited', 'earn'],
  downgrade: null,
  identification: {
    verdict: 'known',
    customer: {
      id: uuid(201),
      greeting: 'Anna',
      tier: 'silver',
      tierName: { de: 'Silber', en: 'Silver' },
      points: 12_840,
      pointsAt: AT - 23 * MINUTE_MS,
    },
  },
  offers: [...offers],
  currency: 'EUR',
  replicaAgeMs: 4_000,
  tookMs: 0.12,
};

export const unknown: Identified = { ...known, identification: { verdict: 'unknown' }, offers: [] };
/** Not on this till; the server is being asked. */
export const lookingUp: Identified = {
  ...known,
  identification: { verdict: 'unreached' },
  offers: [],
  lookingUp: true,
};
/** Not on this till, and no connection to ask. */
export const unreached: Identified = { ...known, identification: { verdict: 'unreached' }, offers: [] };
export const blocked: Identified = { ...known, identification: { verdict: 'blocked' }, offers: [] };
export const expired: Identified = {
  ...known,
  identification: { verdict: 'expired', since: Date.UTC(2026, 9, 31, 12) },
  offers: [],
};

/** An open sale of five articles without a customer. */
export const openSale: SaleView = {
  saleId: uuid(301),
  status: 'open',
  openedAt: AT - MINUTE_MS,
  closedAt: null,
  basket: {
    currency: 'EUR',
    lines: [1, 2, 3, 4, 5].map((n) => ({
      id: String(n),
      article: `400638133393${n}`,
      quantityMilli: 1000,
      totalMinor: 468,
    })),
    totalMinor: 2_340,
  },
  customer: null,
  offers: [],
  points: { base: 23, bonus: 0, total: 23 },
  entry: null,
};

/** The same sale with whoever was identified attached. */
export function attached(identified: Identified): SaleView {
  const isKnown = identified.identification.verdict === 'known';
  return {
    ...openSale,
    customer: {
      identificationId: identified.identificationId,
      credential: identified.credential,
      kind: 'card',
      trust: identified.trust,
      identification: identified.identification,
    },
    offers: identified.offers,
    points: isKnown ? { base: 23, bonus: 50, total: 73 } : { base: 23, bonus: 0, total: 23 },
  };
}

/** A sale closed. */
export function closed(sale: SaleView, status: 'completed' | 'voided' = 'completed'): SaleView {
  return {
    ...sale,
    status,
    closedAt: AT,
    entry: { seq: 7, id: uuid(401), hash: 'ab'.repeat(32) },
  };
}

export function saleEvent(sale: SaleView): TillEvent {
  return { event: 'sale', sale };
}

/** A scan with this outcome. */
export function scan(outcome: Extract<TillEvent, { event: 'scan' }>['outcome']): TillEvent {
  return { event: 'scan', scanId: uuid(102), readerId: 'counter', outcome };
}

export const refusedScan: TillEvent = scan({
  kind: 'refused',
  code: 'PAN_REJECTED',
  reason: 'payment card number',
});
export const misreadScan: TillEvent = scan({ kind: 'unreadable', code: 'REC_CHECK_DIGIT' });

/** What came of asking the server for {@link lookingUp}. */
export function lookedUp(
  more: Partial<Extract<TillEvent, { event: 'looked-up' }>> = {},
): Extract<TillEvent, { event: 'looked-up' }> {
  const { identificationId, scanId, credential, trust, may, downgrade, identification, currency } = known;
  return {
    event: 'looked-up',
    identificationId,
    scanId,
    credential,
    trust,
    may,
    downgrade,
    identification,
    offers: [...offers],
    currency,
    applied: true,
    tookMs: 12,
    ...more,
  };
}

/** A till that is being filled. */
export function seedingSync(seeding: NonNullable<SyncView['replica']['seeding']>): SyncView {
  return {
    ...wellSync,
    replica: { ...wellSync.replica, ready: false, caughtUpAt: null, ageMs: null, seeding },
  };
}
