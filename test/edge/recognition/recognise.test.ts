// Goal: every scan is what it is, nothing of a payment card is kept, and no input can hold the till up.
// Method: the demo-like schemes below against every form in which numbers come, and a lot of noise.
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { symbologies } from '../../../drivers/symbology/symbology.ts';
import { recognise } from '../../../edge/recognition/recognise.ts';
import type { Recognised } from '../../../edge/recognition/recognise.ts';
import { gs1CheckDigit } from '../../../foundation/check-digit.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import { compileCardSchemes } from '../../../sync/contract/card-scheme.ts';
import { grouped, testPans } from '../../sync/contract/payment-cards.ts';

const rules = {
  schemes: compileCardSchemes([
    {
      name: 'house',
      kind: 'card',
      symbologies: ['ean-13', 'typed'],
      prefix: '29',
      lengths: [13],
      checkDigit: 'gs1',
    },
    {
      name: 'gsrn',
      kind: 'gsrn',
      symbologies: ['gs1-128', 'gs1-data-matrix', 'unknown'],
      prefix: '4012345',
      lengths: [18],
      checkDigit: 'gs1',
      allowOverlapReason: 'Scanners in the old stores name no symbology',
    },
    {
      name: 'partner',
      kind: 'card',
      symbologies: ['any', 'typed'],
      prefix: '308342',
      lengths: [16],
      checkDigit: 'luhn',
    },
    {
      name: 'stripe',
      kind: 'card',
      symbologies: ['magstripe'],
      prefix: '9276',
      lengths: [16],
      checkDigit: 'none',
    },
    { name: 'club', kind: 'app', symbologies: ['qr'], prefix: 'SK', lengths: [10], checkDigit: 'none' },
  ]),
};

const houseNumber = `290000012345${gs1CheckDigit('290000012345')}`;
const gsrn = `40123450000000001${gs1CheckDigit('40123450000000001')}`;

function scan(payload: string | Uint8Array, symbology = 'unknown'): Recognised {
  return recognise({ payload: Buffer.from(payload), symbology, source: 'reader' }, rules);
}

function type(text: string): Recognised {
  return recognise({ payload: Buffer.from(text), symbology: 'unknown', source: 'typed' }, rules);
}

/** Scheme, kind, trust and number of a credential, to compare. */
function credentialOf(recognised: Recognised): unknown {
  if (recognised.kind !== 'credential') return recognised;
  const { credential } = recognised;
  return [credential.scheme, credential.kind, credential.trust, credential.reveal()];
}

/** What only payment terminals tell. */
const FROM_TERMINALS: ReadonlySet<string> = new Set(['emv-par', 'card-token']);

describe('a loyalty number', () => {
  test('is a credential of its scheme, with the trust its source deserves', () => {
    expect(credentialOf(scan(houseNumber, 'ean-13'))).toEqual(['house', 'card', 'L1', houseNumber]);
    expect(credentialOf(type(houseNumber))).toEqual(['house', 'card', 'L0', houseNumber]);
    expect(credentialOf(scan('SK12345678', 'qr'))).toEqual(['club', 'app', 'L1', 'SK12345678']);
  });

  test('with a Luhn check digit is no payment card', () => {
    for (const symbology of symbologies.filter(
      (each) => !each.startsWith('gs1-') && !FROM_TERMINALS.has(each),
    ))
      expect(credentialOf(scan('3083423103187694', symbology))).toEqual([
        'partner',
        'card',
        'L1',
        '3083423103187694',
      ]);
  });

  test('may be typed in groups', () => {
    for (const text of [' 3083 4231 0318 7694 ', '3083-4231-0318-7694', '30834231 03187694'])
      expect(credentialOf(type(text))).toEqual(['partner', 'card', 'L0', '3083423103187694']);
  });

  test('is read from track 2, also when the reader does not say it reads stripes', () => {
    for (const symbology of ['magstripe', 'unknown'])
      expect(credentialOf(scan(';9276001234567894?', symbology))).toEqual([
        'stripe',
        'card',
        'L1',
        '9276001234567894',
      ]);
    expect(scan(';9276001234567894?', 'code-128')).toEqual({ kind: 'product', code: ';9276001234567894?' });
    expect(credentialOf(scan(';9276001234567894=2512101?', 'magstripe'))).toContain('9276001234567894');
    expect(scan(';9999001234567894=2512101?', 'magstripe')).toMatchObject({
      kind: 'refused',
      reason: 'track',
    });
    expect(scan(';4111111111111111=2512101?', 'magstripe')).toMatchObject({
      kind: 'refused',
      reason: 'track',
    });
  });

  test('with a wrong check digit is neither product nor card', () => {
    const wrong = `${houseNumber.slice(0, 12)}${(Number(houseNumber.slice(12)) + 1) % 10}`;
    expect(scan(wrong, 'ean-13')).toEqual({ kind: 'unreadable', code: 'REC_CHECK_DIGIT' });
    expect(type('3083 4231 0318 7695')).toEqual({ kind: 'unreadable', code: 'REC_CHECK_DIGIT' });
  });
});

describe('a GSRN', () => {
  const expected = ['gsrn', 'gsrn', 'L1', gsrn];

  test('is the value of AI 8018, alone or among other elements', () => {
    expect(credentialOf(scan(`8018${gsrn}`, 'gs1-128'))).toEqual(expected);
    expect(credentialOf(scan(`8018${gsrn}\u001d80191`, 'gs1-data-matrix'))).toEqual(expected);
    expect(credentialOf(scan(`8018${gsrn}`, 'unknown'))).toEqual(expected);
  });

  test('is none under another AI, and none without one in a GS1 symbol', () => {
    expect(scan(`8017${gsrn}`, 'gs1-128')).toMatchObject({ kind: 'product' });
    expect(scan(`00${gsrn}`, 'gs1-128')).toMatchObject({ kind: 'product' });
    expect(scan(`8018${gsrn}`, 'qr')).toMatchObject({ kind: 'product' });
    expect(credentialOf(scan(gsrn, 'gs1-128'))).not.toEqual(expected);
  });

  test('with a wrong check digit is told so', () => {
    const wrong = `${gsrn.slice(0, 17)}${(Number(gsrn.slice(17)) + 1) % 10}`;
    expect(scan(`8018${wrong}`, 'gs1-128')).toEqual({ kind: 'unreadable', code: 'REC_CHECK_DIGIT' });
  });

  test('does not cover a card number in the same symbol', () => {
    expect(scan(`8018${gsrn}\u001d21${testPans[0]}`, 'gs1-128')).toMatchObject({ code: 'PAN_REJECTED' });
  });
});

describe('a product', () => {
  test('is handed on exactly as it was read', () => {
    for (const [code, symbology] of [
      ['4006381333931', 'ean-13'],
      ['96385074', 'ean-8'],
      ['  spaced  ', 'code-39'],
      ['0104006381333931\u001d10ABC\u001d21XYZ', 'gs1-data-matrix'],
      ['\ufeffWein Grüner Veltliner 🍷', 'qr'],
      ['https://example.com/a?b=1', 'qr'],
      ['<script>alert(1)</script>', 'qr'],
    ] as const)
      expect(scan(code, symbology)).toEqual({ kind: 'product', code });
  });

  test('with a British, Danish or Chinese GTIN is no Maestro card, even from a scanner that names no symbology', () => {
    const random = new SeededRandom(1);
    let refused = 0;
    for (let i = 0; i < 3_000; i += 1) {
      const head = `${['50', '57', '69'][i % 3]}${String(Math.floor(random.next() * 10 ** 10)).padStart(10, '0')}`;
      for (const symbology of ['ean-13', 'unknown'])
        if (scan(head + gs1CheckDigit(head), symbology).kind !== 'product') refused += 1;
    }
    expect(refused).toBe(0);
  });
});

describe('a payment card', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });
  const notations = (pan: string): string[] => [
    pan,
    grouped(pan, ' '),
    grouped(pan, '-'),
    `;${pan}=25121010000012345678?`,
    `%B${pan}^MUSTER/ERIKA^25121010000012345678?`,
  ];

  test.each(testPans)('%s is refused from every source, and nothing of it is said', (pan) => {
    for (const text of notations(pan)) {
      for (const recognised of [type(text), ...symbologies.map((symbology) => scan(text, symbology))]) {
        expect(recognised).toMatchObject({ kind: 'refused', code: 'PAN_REJECTED' });
        expect(JSON.stringify(recognised)).not.toMatch(/\d{4}/);
      }
    }
  });

  test('is overwritten where it lay', () => {
    for (const source of ['reader', 'typed'] as const) {
      const payload = Buffer.from(testPans[0]);
      recognise({ payload, symbology: 'code-128', source }, rules);
      expect(payload).toEqual(Buffer.alloc(testPans[0].length));
    }
    const handedOn = Buffer.from('4006381333931');
    recognise({ payload: handedOn, symbology: 'ean-13', source: 'reader' }, rules);
    expect(handedOn.toString()).toBe('4006381333931');
  });

  test('in chip data is refused before it is found to be no text', () => {
    const payload = Buffer.from('5A0841111111111111115F2403251231', 'hex');
    expect(scan(payload)).toEqual({ kind: 'refused', code: 'PAN_REJECTED', reason: 'emv-tlv' });
  });

  test('is never hashed', () => {
    const digests = (['createHmac', 'createHash', 'hash'] as const).map((name) => vi.spyOn(crypto, name));
    syncBuiltinESMExports();
    const digested = (): number => digests.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    const indexer = new BlindIndexer(new Uint8Array(32), 'test');
    const present = (recognised: Recognised): void => {
      if (recognised.kind === 'credential') indexer.indexOf(recognised.credential);
    };
    present(scan(houseNumber, 'ean-13'));
    expect(digested()).toBe(1);
    for (const text of testPans.flatMap(notations)) {
      for (const recognised of [type(text), ...symbologies.map((each) => scan(text, each))])
        present(recognised);
    }
    expect(digested()).toBe(1);
  });
});

describe('what nobody can read', () => {
  test('is too long, empty, no UTF-8, or holds control characters', () => {
    expect(scan('A'.repeat(512), 'qr')).toMatchObject({ kind: 'product' });
    expect(scan('A'.repeat(513), 'qr')).toEqual({ kind: 'unreadable', code: 'REC_TOO_LONG' });
    for (const bytes of [
      [],
      [0xff, 0xfe],
      [0xc3],
      [0xed, 0xa0, 0x80],
      [0x41, 0x00],
      [0x41, 0x1b, 0x5b],
      [0x41, 0x0a],
      [0x41, 0x7f],
      [0xc2, 0x85],
    ])
      expect(scan(Uint8Array.from(bytes), 'qr')).toEqual({ kind: 'unreadable', code: 'REC_NOT_TEXT' });
  });

  test('may hold GS where GS1 puts it, and nowhere else', () => {
    expect(scan('10A\u001d21B', 'gs1-128')).toMatchObject({ kind: 'product' });
    expect(scan('10A\u001d21B', 'unknown')).toMatchObject({ kind: 'product' });
    expect(scan('10A\u001d21B', 'code-128')).toMatchObject({ code: 'REC_NOT_TEXT' });
  });
});

test('a hundred thousand inputs of any kind get an answer', () => {
  const random = new SeededRandom(2);
  const words = [
    '8018',
    gsrn,
    houseNumber,
    testPans[1],
    ';',
    '=',
    '?',
    '%B',
    '^',
    '\u001d',
    ' ',
    '-',
    '5A08',
    'é',
    '9F241D',
  ];
  const kinds = new Set(['credential', 'product', 'refused', 'unreadable']);
  let answered = 0;
  for (let i = 0; i < 100_000; i += 1) {
    const symbology = symbologies[Math.floor(random.next() * symbologies.length)] ?? 'unknown';
    const payload =
      i % 2 === 0
        ? random.bytes(Math.floor(random.next() * 40))
        : Buffer.from(
            Array.from({ length: 6 }, () => words[Math.floor(random.next() * words.length)] ?? '').join(''),
          );
    const source = i % 7 === 0 ? 'typed' : 'reader';
    if (kinds.has(recognise({ payload, symbology, source }, rules).kind)) answered += 1;
  }
  expect(answered).toBe(100_000);
});

test('a text comes out as it went in, whatever it is, when it is neither a card nor refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), (text) => {
      expect([
        { kind: 'product', code: text },
        expect.objectContaining({ kind: 'unreadable' }),
      ]).toContainEqual(scan(text, 'qr'));
    }),
  );
});
