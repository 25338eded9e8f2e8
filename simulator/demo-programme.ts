import type { Instant } from '../foundation/clock.ts';
import type { OfferDocument, ProgrammeDocument } from '../sync/contract/replica-documents.ts';

const DAY_MS = 86_400_000;

/**
 * The rules of the demo: a point for each full euro, more in higher tiers, none for what the law or margins forbid. A
 * point is worth a cent, for half of a basket at most, until the end of the third year.
 */
export const demoProgramme: ProgrammeDocument = {
  id: 'programme',
  version: 3,
  currency: 'EUR',
  earn: {
    points: 1,
    perMinor: 100,
    excludedCategories: ['tobacco', 'gift-card', 'deposit'],
    tenders: ['gift-card', 'points'],
  },
  burn: {
    points: 1,
    minor: 1,
    minPoints: 100,
    stepPoints: 50,
    maxPercent: 50,
    excludedCategories: ['tobacco', 'gift-card', 'deposit'],
  },
  points: { timeZone: 'Europe/Berlin', expiry: { months: 36, end: 'year' }, negative: 'returns' },
  redemption: {
    offline: {
      perCustomer: 500,
      perTill: 5_000,
      byTrust: { L0: 0, L1: 0, L2: 0, L3: 200, L4: 500 },
      validForMs: DAY_MS,
    },
    online: { limitedPerDay: 2_000 },
    reservationMs: 600_000,
  },
  lateCredit: { withinHours: 72 },
  tiers: [
    { id: 'basic', name: { de: 'Basis', en: 'Basic' }, earnPercent: 100 },
    {
      id: 'silver',
      name: { de: 'Silber', en: 'Silver' },
      earnPercent: 125,
      qualify: { points: 500, windowMonths: 12 },
    },
    {
      id: 'gold',
      name: { de: 'Gold', en: 'Gold' },
      earnPercent: 150,
      qualify: { points: 2_000, windowMonths: 12 },
    },
  ],
  staleAfterMs: 3 * DAY_MS,
  consentTexts: [
    {
      purpose: 'bankcard_link',
      version: '2026-11',
      text: {
        de: 'Ich bin einverstanden, dass meine Bankkarte mit meiner Kundenkarte verknüpft wird. Dann erkennt mich die Kasse, wenn ich mit dieser Karte bezahle, und schreibt mir die Punkte gut. Gespeichert wird nur eine verschlüsselte Kennung aus dem Zahlungsterminal, nie die Kartennummer. Einlösen kann ich Punkte damit nicht. Ich kann die Verknüpfung jederzeit an jeder Kasse und beim Kundendienst aufheben; die bis dahin gesammelten Punkte bleiben mir. Die Mitgliedschaft hängt nicht davon ab.',
        en: 'I agree that my bank card is linked to my loyalty card. The till then recognises me when I pay with this card, and I earn my points. Only an encrypted reference from the payment terminal is kept, never the card number. It cannot be used to redeem points. I can end the link at any time, at any till and through customer service; the points earned until then stay mine. My membership does not depend on it.',
      },
    },
  ],
};

/** Offers of every kind, among them one that is over and one that has not begun, so a till can show why not. */
export function demoOffers(now: Instant): OfferDocument[] {
  const running = { validFrom: now - 7 * DAY_MS, validUntil: now + 365 * DAY_MS };
  return [
    {
      id: 'double-points-bakery',
      title: {
        de: 'Doppelte Punkte mit Backwaren',
        en: 'Double points with bakery',
      },
      ...running,
      categories: ['bakery'],
      reward: { kind: 'multiplier', percent: 200 },
    },
    {
      id: 'fifty-points-from-40',
      title: { de: '50 Extrapunkte ab 40 € Einkauf', en: '50 extra points from €40' },
      ...running,
      minTotalMinor: 4_000,
      reward: { kind: 'points', points: 50 },
    },
    {
      id: 'gold-triple',
      title: { de: 'Gold: dreifache Punkte auf Wein', en: 'Gold: triple points with wine' },
      ...running,
      tiers: ['gold'],
      categories: ['wine'],
      reward: { kind: 'multiplier', percent: 300 },
    },
    {
      id: 'coffee-1-euro',
      title: { de: '1 € Rabatt auf Bergkaffee 500 g', en: '€1 off mountain coffee 500 g' },
      ...running,
      articles: ['9012345000042'],
      reward: { kind: 'discount', amountMinor: 100 },
    },
    {
      id: 'for-you-produce',
      title: {
        de: 'Nur für Sie: 10 % auf Obst und Gemüse',
        en: 'Just for you: 10% off fruit and vegetables',
      },
      ...running,
      purpose: 'personal_offers',
      categories: ['produce'],
      reward: { kind: 'percent', percent: 10 },
    },
    {
      id: 'silver-gold-25',
      title: { de: 'Silber und Gold: 25 Extrapunkte', en: 'Silver and gold: 25 extra points' },
      ...running,
      tiers: ['silver', 'gold'],
      minTotalMinor: 1_500,
      reward: { kind: 'points', points: 25 },
    },
    {
      id: 'opening-week',
      title: { de: 'Eröffnungswoche: 100 Extrapunkte', en: 'Opening week: 100 extra points' },
      validFrom: now - 60 * DAY_MS,
      validUntil: now - 53 * DAY_MS,
      reward: { kind: 'points', points: 100 },
    },
    {
      id: 'coming-next-month',
      title: { de: 'Bald: 5 % auf den ganzen Einkauf', en: 'Coming soon: 5% off everything' },
      validFrom: now + 30 * DAY_MS,
      validUntil: now + 60 * DAY_MS,
      reward: { kind: 'percent', percent: 5 },
    },
  ];
}

export interface DemoArticle {
  /** GTIN-13 with a valid check digit. */
  readonly gtin: string;
  readonly name: string;
  readonly category: string;
  readonly priceMinor: number;
}

/** What the demo shop sells. */
export const demoArticles: readonly [DemoArticle, ...DemoArticle[]] = [
  { gtin: '9012345000011', name: 'Kaisersemmel', category: 'bakery', priceMinor: 45 },
  { gtin: '9012345000028', name: 'Bauernbrot 1 kg', category: 'bakery', priceMinor: 489 },
  { gtin: '9012345000035', name: 'Grüner Veltliner 0,75 l', category: 'wine', priceMinor: 799 },
  { gtin: '9012345000042', name: 'Bergkaffee 500 g', category: 'coffee', priceMinor: 899 },
  { gtin: '9012345000059', name: 'Äpfel 1 kg', category: 'produce', priceMinor: 299 },
  { gtin: '9012345000066', name: 'Vollmilch 1 l', category: 'dairy', priceMinor: 159 },
  { gtin: '9012345000073', name: 'Bergkäse 300 g', category: 'dairy', priceMinor: 649 },
  { gtin: '9012345000080', name: 'Zigaretten', category: 'tobacco', priceMinor: 650 },
  { gtin: '9012345000097', name: 'Pfand Mehrwegflasche', category: 'deposit', priceMinor: 20 },
  { gtin: '9012345000103', name: 'Waschmittel 2 l', category: 'household', priceMinor: 1_299 },
];
