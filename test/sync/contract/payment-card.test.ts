// Goal: no payment-card data gets past, in any form it can reach a till, and no loyalty number or product is refused.
// Method: the brands' test numbers in every symbology and notation; generated numbers of every loyalty and product form.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { symbologies } from '../../../drivers/symbology/symbology.ts';
import { gs1CheckDigit, hasGs1CheckDigit, luhnCheckDigit } from '../../../foundation/check-digit.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { paymentBrand, paymentBrandWithin } from '../../../sync/contract/payment-card-brands.ts';
import { findPaymentCard } from '../../../sync/contract/payment-card.ts';
import { grouped, testPans } from './payment-cards.ts';

const sources = [...symbologies, 'typed', undefined];
const in_ = (symbology: string | undefined) => (symbology === undefined ? {} : { symbology });

/** What is found in each of these texts in each of these sources, each different finding once. */
function findings(
  texts: readonly (string | Uint8Array)[],
  from: readonly (string | undefined)[] = [undefined],
) {
  const found = texts.flatMap((text) =>
    from.map((symbology) => findPaymentCard(text, in_(symbology)) ?? null),
  );
  return [...new Set(found.map((finding) => JSON.stringify(finding)))].map((each): unknown =>
    JSON.parse(each),
  );
}

/** What {@link findings} are when nothing is found in any of them. */
const nothing = [null];

describe.each(testPans)('the card number %s', (pan) => {
  const notations = [
    pan,
    grouped(pan, ' '),
    grouped(pan, '-'),
    `${pan}\r`,
    `PAN: ${pan}.`,
    `${pan} 12/28`,
    `4711 ${pan}`,
    `${grouped(pan, ' ')} 12/28 123`,
    `https://pay.example/${pan}?x=1`,
    `Müller ${pan}`,
    pan.replaceAll(/./g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)),
    `;${pan}?`,
  ];

  const brand = paymentBrand(pan);

  test('is found in every symbology and notation', () => {
    expect(findings(notations, sources)).toEqual([{ reason: 'pan', brand, length: pan.length }]);
  });

  test('is found in bytes', () => {
    expect(findings([Buffer.from(`\u0000\u00ff${pan}`, 'latin1')])).toEqual([
      { reason: 'pan', brand, length: pan.length },
    ]);
  });

  test('is found as the value of a GS1 element', () => {
    const texts = [`21${pan}`, `010400638133393121${pan}`, `10ABC\u001d240${pan}`];
    expect(findings(texts, ['gs1-128', 'gs1-qr'])).toEqual([{ reason: 'pan', brand, length: pan.length }]);
  });

  test('is found on a stripe, whatever surrounds it', () => {
    const tracks = [
      `;${pan}=25121010000012345678?`,
      `;${pan}==101?`,
      `%B${pan}^MUSTER/ERIKA^25121010000012345678?;${pan}=2512101?`,
      `;01${pan}=9724000?`,
    ];
    expect(findings(tracks, sources)).toEqual([{ reason: 'track' }]);
  });

  test('is found in chip data, in bytes and in hex', () => {
    const tag5a = tlv('5A', pan);
    const tag57 = tlv('57', `${pan}D2512101`);
    const chip = [
      tag5a,
      tag57,
      `9F241D${'51'.repeat(29)}${tag5a}`,
      `70${tag57}5F2403251231`,
      `5A81${tag5a.slice(2)}`,
    ];
    const texts = chip.flatMap((hex) => [hex, hex.toLowerCase(), hex.replaceAll(/(..)(?=.)/g, '$1 ')]);
    expect(findings([...texts, `A${tag5a}`, `A${tag57}`], sources)).toEqual([{ reason: 'emv-tlv' }]);
    expect(findings(chip.map((hex) => Buffer.from(hex, 'hex')))).toEqual([{ reason: 'emv-tlv' }]);
  });
});

describe('stripes', () => {
  test('of any issuer are refused, for they end with an expiry date', () => {
    expect(findPaymentCard(';9276001234567894=2512101?')).toEqual({ reason: 'track' });
    expect(findPaymentCard('%B9276001234567894^MUSTER/ERIKA^2512101?')).toEqual({ reason: 'track' });
  });

  test('of loyalty cards are judged by their number', () => {
    const texts = [';9276001234567894?', ';9276001234567894=12?', ';12345?'];
    expect(findings(texts, ['magstripe', 'unknown'])).toEqual(nothing);
  });

  test('of a configured loyalty card may have what a bank card’s has, unless a brand could have issued the number', () => {
    const own = '9276001234567894';
    const tracks = (number: string): string[] => [
      `;${number}=2612101000001234?`,
      `;${number}==101?`,
      `%B${number}^MUSTER/ERIKA^2512101?`,
      `%B${number}^MUSTER/ERIKA^2512101?;${number}=2512101000001234?+01${number}=2512?`,
    ];
    const isLoyalty = (number: string): boolean => number === own || number === `01${own}`;
    for (const text of tracks(own)) {
      expect(findPaymentCard(text, { isLoyalty })).toBeUndefined();
      expect(findPaymentCard(text, { isLoyalty: () => false })).toEqual({ reason: 'track' });
      for (const pan of testPans) {
        const beside = [`${text};${pan}=2512101?`, `%B${pan}^A/B^2512?${text}`, `${text};${pan}?`];
        for (const both of beside) expect(findPaymentCard(both, { isLoyalty })).toBeDefined();
      }
    }
    // Whether its check digit is right does not matter for what a brand could have issued.
    for (const pan of [...testPans, '4111111111111112'])
      for (const text of tracks(pan))
        expect(findPaymentCard(text, { isLoyalty: () => true })).toEqual({ reason: 'track' });
  });

  test('of a loyalty card without sentinels are judged alike', () => {
    const context = { symbology: 'magstripe', isLoyalty: (number: string) => number === '9276001234567894' };
    expect(findPaymentCard('9276001234567894=2512101', context)).toBeUndefined();
    expect(findPaymentCard('9276001234567895=2512101', context)).toEqual({ reason: 'track' });
  });

  test('without sentinels are known to be stripes when the reader says so', () => {
    const text = '9276001234567894=2512101';
    expect(findPaymentCard(text, { symbology: 'magstripe' })).toEqual({ reason: 'track' });
    expect(findPaymentCard(text)).toBeUndefined();
  });
});

describe('what is no payment card', () => {
  test('a PAYBACK number, though it has a Luhn check digit', () => {
    expect(findings(['3083423103187694'], sources)).toEqual(nothing);
  });

  test('202 digits of a QR code, 20 of an SSCC, 22 of a GSRN with its AI', () => {
    const anyRun = fc.stringMatching(/^[0-9]{20,202}$/);
    fc.assert(fc.property(anyRun, (digits) => findPaymentCard(digits) === undefined));
    expect(findPaymentCard('4111111111111111'.repeat(13).slice(0, 202), { symbology: 'qr' })).toBeUndefined();
  });

  test('a PAR, plain and as tag 9F24 in bytes and hex', () => {
    const random = new SeededRandom(1);
    const pars = repeat(2_000, () => anyOf(random, 29, '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'));
    const hex = pars.map((par) => `9F241D${Buffer.from(par).toString('hex').toUpperCase()}`);
    expect(findings([...pars, ...hex, ...hex.map((each) => Buffer.from(each, 'hex'))])).toEqual(nothing);
  });

  test('a UUID, whichever digits it has', () => {
    expect(findPaymentCard('4111-1111-1111-1111')).toBeDefined();
    fc.assert(fc.property(fc.uuid(), (uuid) => findPaymentCard(uuid) === undefined));
    expect(findPaymentCard('a1b24111-1111-1111-1111-11a2b3c4d5e6')).toBeUndefined();
  });

  test('thirteen digits with a GS1 check digit, from EAN, UPC, an unnamed symbology or a keyboard', () => {
    // Britain, Denmark, China: where Maestro has numbers of the same length.
    const random = new SeededRandom(2);
    const gtins = ['50', '57', '69', '40', '90', '76', '29'].flatMap((prefix) =>
      repeat(500, () => withGs1(prefix + digits(random, 12 - prefix.length))),
    );
    expect(findings(gtins, ['ean-13', 'upc-a', 'unknown', 'typed', undefined])).toEqual(nothing);
  });

  test('but thirteen digits with a Luhn check digit alone are a Maestro card', () => {
    const random = new SeededRandom(6);
    const pans = repeat(100, () => `6759${digits(random, 8)}`)
      .map((head) => head + luhnCheckDigit(head))
      .filter((pan) => !hasGs1CheckDigit(pan));
    const maestro = [{ reason: 'pan', brand: 'maestro', length: 13 }];
    expect(findings(pans, ['ean-13', 'unknown', undefined])).toEqual(maestro);
  });

  test('a German magazine with its add-on', () => {
    const random = new SeededRandom(3);
    const magazines = repeat(500, () => withGs1(`419${digits(random, 9)}`));
    const scans = magazines.flatMap((gtin) => [gtin + digits(random, 5), gtin + digits(random, 2)]);
    expect(findings(scans, ['ean-13-addon'])).toEqual(nothing);
  });

  test('GS1 keys under their AI, whatever their prefix', () => {
    const random = new SeededRandom(4);
    const texts = repeat(1_000, () => {
      const gsrn = withGs1(`4${digits(random, 16)}`);
      const gtin = withGs1(`36${digits(random, 11)}`);
      const gln = withGs1(`40${digits(random, 10)}`);
      return [`8018${gsrn}`, `8017${gsrn}`, `00${gsrn}`, `01${gtin}`, `414${gln}`, `253${gln}123`];
    });
    expect(findings(texts.flat(), ['gs1-128', 'gs1-data-matrix'])).toEqual(nothing);
  });

  test('but a key without its check digit is judged as any number', () => {
    const gsrn = `40${'0'.repeat(15)}`;
    const pan = gsrn.slice(0, 17) + luhnCheckDigit(gsrn);
    expect(pan.slice(-1)).not.toBe(gs1CheckDigit(gsrn));
    expect(findPaymentCard(`8018${pan}`, { symbology: 'gs1-128' })).toMatchObject({ reason: 'pan' });
  });

  test('a configured loyalty number that a brand could have issued', () => {
    const pan = testPans[0];
    expect(findPaymentCard(pan, { isLoyalty: (number) => number === pan })).toBeUndefined();
    expect(findPaymentCard(`;${pan}?`, { isLoyalty: (number) => number === pan })).toBeUndefined();
    expect(findPaymentCard(`;${pan}=2512101?`, { isLoyalty: () => true })).toEqual({ reason: 'track' });
  });
});

test('as many German GSRN as expected would be taken for Visa cards without their AI', () => {
  const random = new SeededRandom(5);
  const gsrns = repeat(5_000, () => withGs1(`40${digits(random, 15)}`));
  const taken = gsrns.filter((gsrn) => findPaymentCard(gsrn) !== undefined).length / gsrns.length;
  expect(taken).toBeGreaterThan(0.08);
  expect(taken).toBeLessThan(0.12);
});

test('whatever it is given, it neither throws nor says a digit of it', () => {
  const context = fc.record({ symbology: fc.constantFrom(...symbologies, 'typed') });
  const alphabet = fc.constantFrom(
    ';',
    '%',
    'B',
    '^',
    '=',
    '?',
    '5A',
    '57',
    '08',
    'D',
    '8018',
    '\u001d',
    ' ',
    '-',
    '4111',
  );
  const text = fc.array(alphabet, { maxLength: 200 }).map((parts) => parts.join(''));
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.string({ unit: 'binary', maxLength: 300 }),
    text,
  );
  fc.assert(
    fc.property(input, context, (given, from) => {
      expect(JSON.stringify(findPaymentCard(given, from) ?? null)).not.toMatch(/[0-9]{3}/);
    }),
    { numRuns: 3_000 },
  );
});

test('a short text that is not looked at closely is one in which nothing would be found', () => {
  const part = fc.constantFrom(
    ';',
    '%',
    'B',
    '^',
    '=',
    '?',
    '5A08',
    '57',
    'D',
    'Z',
    'W',
    '%5E',
    '%42',
    ' ',
    '-',
    '4111',
    '12',
  );
  const text = fc.array(part, { maxLength: 9 }).map((parts) => parts.join(''));
  const context = fc.record({ symbology: fc.constantFrom(...symbologies, 'typed') });
  fc.assert(
    fc.property(text, context, (given, from) => {
      fc.pre(given.replaceAll(/[^0-9]/g, '').length < 12);
      // What takes no ink is no part of it, and has every text looked at closely.
      const closely = findPaymentCard(`${given}\u{ad}`, from);
      expect(findPaymentCard(given, from) === undefined).toBe(closely === undefined);
    }),
    { numRuns: 5_000 },
  );
});

describe('the brands', () => {
  test('are told by the longest prefix that fits', () => {
    expect(paymentBrand('6759649826438453')).toBe('maestro');
    expect(paymentBrand('6011111111111117')).toBe('discover');
    expect(paymentBrand('9792000000000000')).toBe('troy');
    expect(paymentBrand('4011780000000000')).toBe('elo');
  });

  test('have no Visa of thirteen digits', () => {
    expect(paymentBrand('4222222222222')).toBeUndefined();
  });

  test('take in a range when one of its numbers is theirs', () => {
    const prefix = fc.stringMatching(/^[0-9]{1,10}$/);
    fc.assert(
      fc.property(
        prefix,
        fc.integer({ min: 13, max: 19 }),
        fc.stringMatching(/^[0-9]{19}$/),
        (head, length, tail) =>
          paymentBrand((head + tail).slice(0, length)) === undefined ||
          paymentBrandWithin(head, length) !== undefined,
      ),
      { numRuns: 5_000 },
    );
    expect(paymentBrandWithin('308342', 16)).toBeUndefined();
    expect(paymentBrandWithin('29', 13)).toBeUndefined();
    expect(paymentBrandWithin('4', 18)).toBe('visa');
    expect(paymentBrandWithin('22', 16)).toBe('mastercard');
  });
});

function repeat<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

function anyOf(random: SeededRandom, count: number, alphabet: string): string {
  return repeat(count, () => alphabet.charAt(Math.floor(random.next() * alphabet.length))).join('');
}

function digits(random: SeededRandom, count: number): string {
  return anyOf(random, count, '0123456789');
}

function withGs1(head: string): string {
  return head + gs1CheckDigit(head);
}

/** A TLV in hex, its digits filled up with F to whole bytes. */
function tlv(tag: string, nibbles: string): string {
  const value = nibbles.length % 2 === 0 ? nibbles : `${nibbles}F`;
  return `${tag}${(value.length / 2).toString(16).padStart(2, '0').toUpperCase()}${value}`;
}
