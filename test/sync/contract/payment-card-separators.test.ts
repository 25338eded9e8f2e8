// Goal: however a card number is written in groups, it is found; whatever else has digits in groups, passes.
// Method: the brands' test numbers with every separator people and programs use; generated texts of a shop.
import { describe, expect, test } from 'vitest';
import { gs1CheckDigit, luhnCheckDigit } from '../../../foundation/check-digit.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { findPaymentCard } from '../../../sync/contract/payment-card.ts';
import { paymentBrand } from '../../../sync/contract/payment-card-brands.ts';
import { grouped, testPans } from './payment-cards.ts';

const separators = [
  '.',
  '  ',
  '\u00a0',
  '_',
  '/',
  '\t',
  ' - ',
  ' / ',
  '·',
  '\u2009',
  '\u202f',
  '\u2013',
  '|',
  ':',
  ', ',
  '\n',
  '\u200b',
  '...',
];

/** A number in groups of these sizes. */
function inGroups(number: string, sizes: readonly number[], separator: string): string {
  let from = 0;
  const groups = sizes.map((size) => number.slice(from, (from += size)));
  return groups.join(separator);
}

const issued = testPans.map((pan) => ({
  pan,
  expected: { reason: 'pan', brand: paymentBrand(pan), length: pan.length },
}));

describe.each(issued)('the card number $pan', ({ pan, expected }) => {
  test.each(separators)('is found in fours with %j between', (separator) => {
    for (const text of [
      grouped(pan, separator),
      `Karte: ${grouped(pan, separator)}`,
      `${grouped(pan, separator)}, 12/28`,
      `4711${separator}${grouped(pan, separator)}`,
      `12${separator}${grouped(pan, separator)}${separator}2812`,
    ])
      expect(findPaymentCard(text)).toEqual(expected);
    expect(findPaymentCard(Buffer.from(grouped(pan, separator), 'latin1'))).toEqual(expected);
  });

  test('is found in the digits of other scripts', () => {
    for (const zero of [0xff10, 0x0660, 0x06f0, 0x0966, 0x1d7ce, 0x1d7f6]) {
      const written = pan.replaceAll(/./g, (digit) => String.fromCodePoint(zero + Number(digit)));
      expect(findPaymentCard(written)).toEqual(expected);
      expect(findPaymentCard(`Karte ${written}!`)).toEqual(expected);
    }
    const arabic = pan.replaceAll(/./g, (digit) => String.fromCodePoint(0x0660 + Number(digit)));
    expect(findPaymentCard(grouped(arabic, '\u00a0'))).toEqual(expected);
  });
});

test('American Express and Diners numbers are found in their own groups', () => {
  for (const separator of [...separators, ' ', '-']) {
    expect(findPaymentCard(inGroups('378282246310005', [4, 6, 5], separator))).toMatchObject({ length: 15 });
    expect(findPaymentCard(inGroups('30569309025904', [4, 6, 4], separator))).toMatchObject({ length: 14 });
  }
});

test('nineteen digits in fours are found with their last three', () => {
  const head = '675964982643845300';
  const pan = head + luhnCheckDigit(head);
  expect(findPaymentCard(grouped(pan, '.'))).toMatchObject({ reason: 'pan' });
});

describe('what else has digits in groups', () => {
  const random = new SeededRandom(11);
  const digits = (count: number): string =>
    Array.from({ length: count }, () => Math.floor(random.next() * 10)).join('');
  const below = (end: number): number => Math.floor(random.next() * end);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = (): string[] => [String(1990 + below(60)), two(1 + below(12)), two(1 + below(28))];
  const price = (): string => `${below(10_000)}${['.', ','][below(2)]}${two(below(100))}`;
  const texts: Record<string, () => string> = {
    date: () => day().join(['.', '-', '/', ' '][below(4)]),
    'German date': () => day().toReversed().join('.'),
    'date and time': () =>
      `${day().join('-')}T${two(below(24))}:${two(below(60))}:${two(below(60))}.${digits(3)}Z`,
    'period of dates': () => `${day().toReversed().join('.')} - ${day().toReversed().join('.')}`,
    'years, one after the other': () =>
      Array.from({ length: 8 }, (_, i) => String(2000 + below(60) + i)).join(', '),
    'phone number': () =>
      `${['+49', '+43', '+41', '0049', '0'][below(5)]}${['', ' ', ' (0) '][below(3)]}${1 + below(9)}${digits(1 + below(3))}${[' ', '-', '/', ' / '][below(4)]}${digits(4)} ${digits(2 + below(3))}`,
    IBAN: () => iban(['DE', 'AT', 'CH', 'NL', 'FR', 'IT'][below(6)] ?? 'DE', digits, false),
    'IBAN in fours': () => iban(['DE', 'AT', 'CH', 'NL', 'FR', 'IT'][below(6)] ?? 'DE', digits, true),
    price: () => `${price()} €`,
    'prices of a receipt': () => Array.from({ length: 6 }, price).join(' '),
    'quantity and price': () => `${1 + below(9)} x ${price()} = ${price()} EUR`,
    'IP address': () => Array.from({ length: 4 }, () => below(256)).join('.'),
    version: () => `${below(20)}.${below(20)}.${below(10_000)}`,
    'postcode and number': () => `${digits(5)} Musterstadt, Hauptstr. ${below(200)}`,
  };

  test.each(Object.keys(texts))('%s is never taken for a card number', (kind) => {
    const taken = Array.from({ length: 5_000 }, () => texts[kind]?.() ?? '').filter(
      (text) => findPaymentCard(text) !== undefined,
    );
    expect(taken).toEqual([]);
  });

  test('an IBAN hides no card number beside it', () => {
    const account = iban('DE', digits, true);
    for (const text of [
      `${account} 4111 1111 1111 1111`,
      `4111.1111.1111.1111 ${account}`,
      `${account}/4111111111111111`,
    ])
      expect(findPaymentCard(text)).toMatchObject({ reason: 'pan' });
    expect(findPaymentCard('DE41 1111 1111 1111 1100 00 4111 1111 1111 1111')).toBeDefined();
  });

  test('an account number whose check digits are wrong excuses nothing', () => {
    const wrong = Array.from({ length: 2_000 }, () => iban('DE', digits, true).replace(/^DE../, 'DE01'));
    expect(wrong.filter((text) => findPaymentCard(text) !== undefined).length).toBeGreaterThan(20);
  });

  test('groups more than three characters apart, or with a letter or a digit of another kind between, are not one', () => {
    for (const separator of ['    ', ' a ', 'x', '----', ' 1 '])
      expect(findPaymentCard(grouped(testPans[0], separator))).toBeUndefined();
  });

  test('groups of GS1 elements are no card number across the keys between them', () => {
    const gtin = `0400638133393${gs1CheckDigit('0400638133393')}`;
    const text = `104111\u001d01${gtin}101111`;
    expect(findPaymentCard(text, { symbology: 'gs1-128' })).toBeUndefined();
  });
});

/** An account number with check digits that hold (ISO 13616), of a length such a country has. */
function iban(country: string, digits: (count: number) => string, inFours: boolean): string {
  const body = digits({ DE: 18, AT: 16, CH: 17, NL: 10, FR: 23, IT: 22 }[country] ?? 18);
  const account = ({ NL: 'ABNA', IT: 'X' }[country] ?? '') + body;
  const asNumber = (text: string): bigint =>
    BigInt(text.replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55)));
  const check = String(98n - (asNumber(`${account}${country}00`) % 97n)).padStart(2, '0');
  const whole = `${country}${check}${account}`;
  return inFours ? grouped(whole, ' ') : whole;
}

test.each(['\u200b', '\ufeff', '\u00ad', '\u200d', '\u2060', '\u200e', '\ufe0f'])(
  'a card number with invisible characters in it (%j) is found, wherever they stand',
  (invisible) => {
    const number = '4111111111111111';
    for (const text of [
      [...(number.match(/./g) ?? [])].join(invisible),
      `41${invisible}11111111111111`,
      `4111${invisible.repeat(4)}1111${invisible}1111${invisible}1111`,
      `;4111${invisible}111111111111=2912101?`,
      `note 4711${invisible}: 4111${invisible}111111111111`,
    ])
      expect(findPaymentCard(text)).toBeDefined();
    // It is judged as it stands, too: what parts two numbers for whoever counts them parts them here.
    expect(findPaymentCard(`4711${invisible}4111111111111111`)).toBeDefined();
  },
);

test('percent-encoding hides no card number', () => {
  for (const text of [
    'https://pay.example/?pan=4111%201111%201111%201111',
    'https://pay.example/?pan=4111%2D1111%2D1111%2D1111',
    'https://pay.example/?pan=%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31',
    'https://id.example/8018/401234567890123456?x=%34111111111111111',
  ])
    expect(findPaymentCard(text, { symbology: 'qr' })).toBeDefined();
  expect(findPaymentCard('https://acme.example/100%25/a%20b', { symbology: 'qr' })).toBeUndefined();
});

test('a digit of another script beside a card number does not hide it', () => {
  for (const text of ['\u06f04111111111111111', '4111111111111111\u06f0', '\u06f03782 822463 10005'])
    expect(findPaymentCard(text)).toBeDefined();
});
