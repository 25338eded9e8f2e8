import { cardShowing } from '../showable-cards.ts';
import type { ExpectedVerdict } from '../showable-cards.ts';
import type { CardNumber, CardSchemeName } from '../card-numbers.ts';
import type { Population } from '../population.ts';

/** A code on the sheet: how it is drawn, and what a till makes of it. */
export interface PrintedCode {
  /** What it is, for the person with the scanner. */
  readonly title: string;
  /** What the till shows. */
  readonly shows: string;
  /** Name of the symbology in bwip-js (BWIPP). */
  readonly draw: string;
  /** What bwip-js is given; GS1 symbols with their application identifiers in parentheses. */
  readonly text: string;
  /** What a till makes of it: the verdict on a card, or what else it is. */
  readonly expect: ExpectedVerdict | 'product' | 'refused';
}

/** Name of the programme in the GS1 Digital Links; nobody is there (RFC 2606). */
const LINK_HOST = 'https://id.example';
/** A test number of a payment scheme, of no account. */
const TEST_PAYMENT_CARD = '4111111111111111';

/**
 * Everything worth holding before a scanner: a customer's card in each symbology they come in, cards that show each
 * verdict, articles, and what must be refused.
 */
export function printedCodes(population: Population): readonly PrintedCode[] {
  const known = (scheme: CardSchemeName, from: number): CardNumber =>
    cardShowing('known', population, from, (member) => member.cards.every((card) => card.scheme === scheme))
      .card;
  const house = known('house', 1);
  const gsrn = known('gsrn', 1);
  const partner = known('partner', 1);
  return [
    { title: 'House card', shows: 'a customer', draw: 'ean13', text: house.number, expect: 'known' },
    { title: 'Partner card', shows: 'a customer', draw: 'code128', text: partner.number, expect: 'known' },
    {
      title: 'GSRN on GS1-128',
      shows: 'a customer',
      draw: 'gs1-128',
      text: `(8018)${gsrn.number}`,
      expect: 'known',
    },
    {
      title: 'GSRN in GS1 DataMatrix',
      shows: 'a customer',
      draw: 'gs1datamatrix',
      text: `(8018)${gsrn.number}`,
      expect: 'known',
    },
    {
      title: 'GS1 Digital Link',
      shows: 'a customer',
      draw: 'qrcode',
      text: `${LINK_HOST}/8018/${gsrn.number}`,
      expect: 'known',
    },
    { title: 'Member’s QR code', shows: 'a customer', draw: 'qrcode', text: partner.number, expect: 'known' },
    ...(['blocked', 'expired', 'unknown'] as const).map((verdict): PrintedCode => ({
      title: `${verdict[0]?.toUpperCase() ?? ''}${verdict.slice(1)} card`,
      shows: verdict,
      ...drawnAs(
        verdict === 'unknown' ? cardShowing(verdict, population, 1).card : showing(verdict, population),
      ),
      expect: verdict,
    })),
    {
      title: 'Article',
      shows: 'handed on to the POS',
      draw: 'ean13',
      text: '4006381333931',
      expect: 'product',
    },
    {
      title: 'Small article',
      shows: 'handed on to the POS',
      draw: 'ean8',
      text: '96385074',
      expect: 'product',
    },
    {
      title: 'Coupon',
      shows: 'handed on to the POS',
      draw: 'gs1-128',
      text: '(255)9501101530003',
      expect: 'product',
    },
    {
      title: 'Bank card number',
      shows: 'refused',
      draw: 'code128',
      text: TEST_PAYMENT_CARD,
      expect: 'refused',
    },
  ];
}

function showing(verdict: 'blocked' | 'expired', population: Population): CardNumber {
  return cardShowing(verdict, population, 1).card;
}

function drawnAs({ scheme, number }: CardNumber): Pick<PrintedCode, 'draw' | 'text'> {
  switch (scheme) {
    case 'house':
      return { draw: 'ean13', text: number };
    case 'gsrn':
      return { draw: 'gs1-128', text: `(8018)${number}` };
    case 'partner':
      return { draw: 'code128', text: number };
  }
}
