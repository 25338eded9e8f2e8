import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gs1CheckDigit, luhnCheckDigit } from '../../../foundation/check-digit.ts';
import { isFault } from '../../../foundation/errors.ts';
import {
  CardScheme,
  CardSchemes,
  compileCardSchemes,
  matchCardScheme,
  overlapsPaymentCards,
} from '../../../sync/contract/card-scheme.ts';
import { findPaymentCard } from '../../../sync/contract/payment-card.ts';

const house: CardScheme = {
  name: 'house',
  kind: 'card',
  symbologies: ['ean-13', 'typed'],
  prefix: '29',
  lengths: [13],
  checkDigit: 'gs1',
};
const gsrn: CardScheme = {
  name: 'gsrn',
  kind: 'gsrn',
  symbologies: ['gs1-128', 'gs1-data-matrix'],
  prefix: '4012345',
  lengths: [18],
  checkDigit: 'gs1',
};
const partner: CardScheme = {
  name: 'partner',
  kind: 'card',
  symbologies: ['any', 'typed'],
  prefix: '308342',
  lengths: [16],
  checkDigit: 'luhn',
};
const club: CardScheme = {
  name: 'club',
  kind: 'card',
  symbologies: ['code-39', 'qr'],
  prefix: 'SK',
  lengths: [8, 10],
  checkDigit: 'none',
  pattern: '^SK\\d{6,8}$',
};

const withGs1 = (head: string): string => head + gs1CheckDigit(head);
const withLuhn = (head: string): string => head + luhnCheckDigit(head);
const houseNumber = withGs1('290000012345');

describe('a number', () => {
  const schemes = compileCardSchemes([house, gsrn, partner, club]);

  test('matches the scheme whose prefix, length, source and check digit it has', () => {
    expect(matchCardScheme(schemes, houseNumber, 'ean-13')).toEqual({
      scheme: expect.objectContaining({ name: 'house' }) as unknown,
      canonical: houseNumber,
    });
    expect(matchCardScheme(schemes, '3083423103187694', 'aztec')).toMatchObject({
      scheme: { name: 'partner' },
    });
    expect(matchCardScheme(schemes, 'SK12345678', 'qr')).toMatchObject({ scheme: { name: 'club' } });
    expect(matchCardScheme(schemes, withGs1('40123450000000001'), 'gs1-128')).toMatchObject({
      scheme: { name: 'gsrn', kind: 'gsrn' },
    });
  });

  test('of another source, length, prefix or pattern matches none', () => {
    expect(matchCardScheme(schemes, houseNumber, 'code-128')).toBeUndefined();
    expect(matchCardScheme(schemes, houseNumber.slice(0, 12), 'ean-13')).toBeUndefined();
    expect(matchCardScheme(schemes, withGs1('280000012345'), 'ean-13')).toBeUndefined();
    expect(matchCardScheme(schemes, 'SK1234567X', 'qr')).toBeUndefined();
    expect(matchCardScheme(schemes, 'SK1234567', 'qr')).toBeUndefined();
  });

  test('with a wrong check digit is told from one that fits nothing', () => {
    const wrong = houseNumber.slice(0, 12) + String((Number(houseNumber.slice(12)) + 1) % 10);
    expect(matchCardScheme(schemes, wrong, 'ean-13')).toBe('check-digit');
    expect(matchCardScheme(schemes, '308342310318769X', 'qr')).toBeUndefined();
  });

  test('"any" means what a reader reads, not what a person types', () => {
    const readOnly = compileCardSchemes([{ ...partner, symbologies: ['any'] }]);
    expect(matchCardScheme(readOnly, '3083423103187694', 'unknown')).toBeDefined();
    expect(matchCardScheme(readOnly, '3083423103187694', 'magstripe')).toBeDefined();
    expect(matchCardScheme(readOnly, '3083423103187694', 'typed')).toBeUndefined();
  });

  test('can be matched wherever it may come from, and among some kinds only', () => {
    expect(matchCardScheme(schemes, houseNumber, 'any')).toMatchObject({ scheme: { name: 'house' } });
    expect(matchCardScheme(schemes, houseNumber, 'ean-13', ['gsrn'])).toBeUndefined();
  });

  test('that fits two schemes belongs to the one configured first', () => {
    const other: CardScheme = { ...house, name: 'other', checkDigit: 'none' };
    const both = compileCardSchemes([other, house]);
    expect(matchCardScheme(both, houseNumber, 'ean-13')).toMatchObject({ scheme: { name: 'other' } });
    const wrongForHouse = compileCardSchemes([house, other]);
    expect(matchCardScheme(wrongForHouse, '2900000123451', 'ean-13')).toMatchObject({
      scheme: { name: 'other' },
    });
  });
});

describe('a scheme that payment cards overlap', () => {
  const overlapping: readonly (readonly [string, CardScheme])[] = [
    ['visa', { ...partner, prefix: '4', lengths: [16] }],
    ['maestro', { ...partner, prefix: '6', lengths: [13] }],
    ['mastercard', { ...partner, prefix: '27', lengths: [16] }],
    ['visa', { ...gsrn, symbologies: ['gs1-128', 'typed'] }],
    ['visa', { ...gsrn, symbologies: ['code-128'] }],
    ['maestro', { ...house, prefix: '50', symbologies: ['ean-13', 'code-128'] }],
    ['maestro', { ...house, prefix: '50', checkDigit: 'none' }],
    ['discover', { ...partner, prefix: '6011', lengths: [12, 16] }],
  ];

  test('is refused, with all problems at once', () => {
    const schemes = overlapping.map(([, scheme], i) => ({ ...scheme, name: `scheme-${i}` }));
    expect(schemes.map((scheme) => overlapsPaymentCards(scheme) !== undefined)).toEqual(
      schemes.map(() => true),
    );
    let caught: unknown;
    try {
      compileCardSchemes(schemes);
    } catch (error) {
      caught = error;
    }
    expect(isFault(caught, 'CFG_INVALID')).toBe(true);
    expect(String(caught).match(/schemes\.\d\.prefix/g)).toHaveLength(schemes.length);
    expect(CardSchemes.safeParse(schemes).error?.issues.map((issue) => issue.path)).toEqual(
      schemes.map((_, i) => [i, 'prefix']),
    );
  });

  test('is taken when the operator says why', () => {
    const allowed = overlapping.map(([, scheme], i) => ({
      ...scheme,
      name: `scheme-${i}`,
      allowOverlapReason: 'Numbers of the bank that issues our own card',
    }));
    expect(() => compileCardSchemes(allowed)).not.toThrow();
    expect(CardSchemes.safeParse(allowed).success).toBe(true);
  });

  test('does so in the exact length and prefix only, and not where the symbol tells them apart', () => {
    const apart: CardScheme[] = [
      house,
      gsrn,
      partner,
      club,
      { ...partner, prefix: '41', lengths: [13, 15, 17] },
      { ...partner, prefix: '6', lengths: [12] },
      { ...house, prefix: '50' },
      { ...house, prefix: '50', symbologies: ['ean-13', 'unknown', 'typed'] },
      { ...partner, prefix: '9276', lengths: [13, 16, 19] },
      { ...club, prefix: 'X4', lengths: [17] },
    ];
    expect(apart.map(overlapsPaymentCards)).toEqual(apart.map(() => undefined));
  });
});

describe('no loyalty number is ever taken for a payment card', () => {
  const forms: readonly (readonly [CardScheme, string, (digits: string) => string])[] = [
    [house, 'ean-13', withGs1],
    [house, 'typed', withGs1],
    [{ ...house, prefix: '50', symbologies: ['ean-13', 'unknown'] }, 'unknown', withGs1],
    [partner, 'code-128', withLuhn],
    [{ ...partner, prefix: '9276', lengths: [19] }, 'magstripe', withLuhn],
    [{ ...partner, prefix: '4', allowOverlapReason: 'Our own bank issues these' }, 'qr', withLuhn],
  ];
  test.each(forms)('of %o from %s', (scheme, source, complete) => {
    const compiled = compileCardSchemes([scheme]);
    const [length = 0] = scheme.lengths;
    const isLoyalty = (number: string): boolean =>
      typeof matchCardScheme(compiled, number, source) === 'object';
    // A scheme that overlaps no payment cards needs no allowance at all.
    const context = {
      symbology: source,
      ...(scheme.allowOverlapReason === undefined ? {} : { isLoyalty }),
    };
    let refused = 0;
    for (let n = 0; n < 100_000; n += 1) {
      const serial = String((n * 7_368_787) % 10 ** 9)
        .padStart(length, '0')
        .slice(scheme.prefix.length + 1);
      const number = complete(scheme.prefix + serial);
      if (!isLoyalty(number) || findPaymentCard(number, context) !== undefined) refused += 1;
    }
    expect(refused).toBe(0);
  });

  test('of a German GSRN under its AI', () => {
    let refused = 0;
    for (let n = 0; n < 100_000; n += 1) {
      const number = withGs1(`4012345${String(n * 49_979).padStart(10, '0')}`);
      if (findPaymentCard(`8018${number}`, { symbology: 'gs1-128' }) !== undefined) refused += 1;
    }
    expect(refused).toBe(0);
  });
});

describe('a configured scheme', () => {
  test('must not contradict itself', () => {
    const paths = (scheme: unknown): unknown =>
      CardSchemes.safeParse([scheme]).error?.issues.map((issue) => issue.path.join('.'));
    expect(paths({ ...house, prefix: '2900', lengths: [4, 13] })).toEqual(['0.lengths']);
    expect(paths({ ...club, lengths: [3] })).toEqual(['0.lengths.0']);
    expect(paths({ ...club, checkDigit: 'luhn' })).toEqual(['0.checkDigit']);
    expect(paths({ ...gsrn, lengths: [17] })).toEqual(['0.kind']);
    expect(paths({ ...gsrn, kind: 'bankcard' })).toEqual(['0.kind']);
    expect(paths({ ...house, symbology: 'x' })).toEqual(['0']);
    expect(paths({ ...house, symbologies: ['EAN13'] })).toEqual(['0.symbologies.0']);
    expect(CardSchemes.safeParse([house, { ...partner, name: 'house' }]).success).toBe(false);
  });

  test('may have a pattern that cannot take long, and no other', () => {
    const accepts = (pattern: string): boolean => CardScheme.safeParse({ ...club, pattern }).success;
    for (const pattern of ['^SK\\d{6}$', '^SK[0-9A-F]{4,6}$', '^29[13]\\d{10}$'])
      expect(accepts(pattern)).toBe(true);
    for (const pattern of [
      'SK\\d{6}',
      '^(a+)+$',
      '^a*$',
      '^\\d{1,9}\\d{1,9}$',
      '^[z-a]$',
      '^\\d{6,2}$',
      '^.{8}$',
      '^a?a?a?$',
      '^(?:ab)$',
    ])
      expect(accepts(pattern)).toBe(false);
  });

  test('never makes matching throw', () => {
    const compiled = compileCardSchemes([house, gsrn, partner, club]);
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), fc.string(), (value, source) => {
        expect(matchCardScheme(compiled, value, source)).not.toBeNull();
      }),
    );
  });
});
