// Goal: one configured scheme knows a card however its scanner sends it, and no two meanings are made of one scan.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gs1CheckDigit } from '../../../foundation/check-digit.ts';
import { expandUpcE } from '../../../edge/recognition/printed-number.ts';
import { recognise } from '../../../edge/recognition/recognise.ts';
import type { Presented } from '../../../edge/recognition/recognise.ts';
import { compileCardSchemes } from '../../../sync/contract/card-scheme.ts';

const schemes = compileCardSchemes([
  {
    name: 'tag',
    kind: 'card',
    symbologies: ['code-39', 'codabar', 'itf', 'unknown'],
    prefix: '77',
    lengths: [9],
    checkDigit: 'none',
  },
  { name: 'upc', kind: 'card', symbologies: ['upc-a'], prefix: '4', lengths: [12], checkDigit: 'gs1' },
  { name: 'zero', kind: 'card', symbologies: ['ean-13'], prefix: '02', lengths: [13], checkDigit: 'gs1' },
  { name: 'gsrn', kind: 'gsrn', symbologies: ['gs1-128'], prefix: '4', lengths: [18], checkDigit: 'gs1' },
  {
    name: 'pass',
    kind: 'app',
    symbologies: ['wallet-pass'],
    prefix: '308342',
    lengths: [16],
    checkDigit: 'luhn',
  },
]);

function made(text: string, symbology: string, more: Partial<Presented> = {}): string {
  const recognised = recognise(
    { payload: Buffer.from(text), symbology, source: 'reader', ...more },
    { schemes },
  );
  switch (recognised.kind) {
    case 'credential':
      return `${recognised.credential.scheme} ${recognised.credential.reveal()}`;
    case 'product':
      return `product ${recognised.code}`;
    case 'refused':
    case 'unreadable':
      return recognised.code;
  }
}

const withCheck = (digits: string): string => digits + gs1CheckDigit(digits);

describe('the same card, sent otherwise', () => {
  test.each([
    ['771234567', 'code-39'],
    ['*771234567*', 'code-39'],
    ['*771234567*', 'unknown'],
    ['A771234567B', 'codabar'],
    ['d771234567a', 'codabar'],
    ['A771234567A', 'unknown'],
    ['0771234567', 'itf'],
    ['771234567', 'itf'],
  ])('%s in %s', (text, symbology) => {
    expect(made(text, symbology)).toBe('tag 771234567');
  });

  test('UPC-A and EAN-13 with its leading zero are one number', () => {
    const upc = withCheck('42345678901');
    expect([made(upc, 'upc-a'), made(`0${upc}`, 'ean-13')]).toEqual([`upc ${upc}`, `upc ${upc}`]);
    const ean = withCheck('020000000004');
    expect(made(ean.slice(1), 'upc-a')).toBe(`zero ${ean}`);
  });

  test('UPC-E stands for its UPC-A', () => {
    expect(expandUpcE('04252614')).toBe('042100005264');
    expect(expandUpcE('06543217')).toBe('065100004327');
    expect(['01234565', '0123456', '123456'].map(expandUpcE)).toEqual(Array(3).fill('012345000065'));
    expect(expandUpcE('01234566')).toBeUndefined();
  });
});

describe('what is another thing stays it', () => {
  test.each([
    ['*771234567', 'code-39'],
    ['771234567*', 'code-39'],
    ['A771234567', 'codabar'],
    ['E771234567E', 'codabar'],
    ['0771234567', 'code-39'],
    ['00771234567', 'itf'],
    ['*771234567*', 'qr'],
    ['７７１２３４５６７', 'unknown'],
  ])('%s in %s is a product', (text, symbology) => {
    expect(made(text, symbology)).toBe(`product ${text}`);
  });
});

describe('GS1 Digital Link', () => {
  const gsrn = withCheck('40123456789012345');

  test.each([
    `https://id.gs1.org/8018/${gsrn}`,
    `HTTPS://ID.ACME.EXAMPLE/some/where/8018/${gsrn}?linkType=gs1:pip`,
    `http://acme.example:8080/8018/${gsrn}/8019/12`,
  ])('%s is the customer', (link) => {
    for (const symbology of ['qr', 'data-matrix', 'unknown', 'aztec'])
      expect(made(link, symbology)).toBe(`gsrn ${gsrn}`);
  });

  test('the provider of a service, an article and any other address are handed on', () => {
    for (const link of [
      `https://id.gs1.org/8017/${gsrn}`,
      'https://id.gs1.org/01/04006381333931/10/ABC',
      `https://acme.example/customers/${gsrn}x`,
    ])
      expect(made(link, 'qr')).toBe(`product ${link}`);
  });

  test('a misread number is no product', () => {
    const wrong = gsrn.slice(0, 17) + String((Number(gsrn[17]) + 1) % 10);
    expect(made(`https://id.gs1.org/8018/${wrong}`, 'qr')).toBe('REC_CHECK_DIGIT');
  });

  test('a card number in its query is refused all the same', () => {
    expect(made(`https://id.gs1.org/8018/${gsrn}?pan=4111111111111111`, 'qr')).toBe('PAN_REJECTED');
  });

  test('no customer’s number is ever taken for a payment card', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{16}$/), (serial) => {
        const number = withCheck(`4${serial}`);
        expect(made(`https://id.example/8018/${number}`, 'qr')).toBe(`gsrn ${number}`);
      }),
    );
  });
});

describe('Extended Channel Interpretations', () => {
  test('are taken out where the AIM identifier tells of them, and nowhere else', () => {
    expect(made('\\000026771234567', 'unknown', { aim: ']Q2' })).toBe('tag 771234567');
    expect(made('\\00002677123\\0000034567', 'unknown', { aim: ']Q2' })).toBe('tag 771234567');
    expect(made('\\000026771234567', 'unknown', { aim: ']Q1' })).toMatch(/^product /);
  });

  test('of an encoding that is not read make nobody’s number of it', () => {
    expect(made('\\000020771234567', 'unknown', { aim: ']Q2' })).toMatch(/^product /);
    expect(made('\\00002771234567', 'unknown', { aim: ']Q2' })).toMatch(/^product /);
  });
});

describe('from a payment terminal', () => {
  const par = 'Q1HJZ28RKA1EBL470G9XYG90R5D3E';

  test('a PAR and a token are a bank card, which shows nothing of itself', () => {
    expect(made(par, 'emv-par')).toBe(`emv-par ${par}`);
    expect(made('1f8008:0badcafe', 'card-token')).toBe('card-token 1f8008:0badcafe');
    const recognised = recognise(
      { payload: Buffer.from(par), symbology: 'emv-par', source: 'reader' },
      { schemes },
    );
    expect(JSON.stringify(recognised)).not.toContain(par.slice(-4));
  });

  test('the same characters in a bar code, or typed, are no bank card', () => {
    expect(made(par, 'qr')).toBe(`product ${par}`);
    expect(made(par, 'emv-par', { source: 'typed' })).toBe(`product ${par}`);
  });

  test('what is no alias is not taken for one, and a card number told as one is refused', () => {
    for (const [text, symbology] of [
      [par.slice(1), 'emv-par'],
      [par.toLowerCase(), 'emv-par'],
      ['0badcafe', 'card-token'],
    ] as const)
      expect(made(text, symbology)).toBe('REC_ALIAS');
    expect(made('4111111111111111', 'emv-par')).toBe('PAN_REJECTED');
  });

  test('a wallet pass carries a number of a card scheme', () => {
    expect(made('3083423103187694', 'wallet-pass')).toBe('pass 3083423103187694');
  });
});

describe('a card number in another form of its symbol', () => {
  test.each([
    ['\\0000264111111111111111', 'qr', ']Q2'],
    ['\\0000034111111\\000026111111111', 'data-matrix', ']d4'],
    ['0378282246310005', 'itf', ']I0'],
    ['41111111111111110', 'msi', ']M0'],
    ['*4111111111111111*', 'code-39', ']A0'],
    ['A4111111111111111B', 'codabar', ']F0'],
  ])('%j in %s is refused', (text, symbology, aim) => {
    expect(made(text, symbology, { aim })).toBe('PAN_REJECTED');
  });

  test('an article’s number is none for what is left of it without its zero', () => {
    for (const article of ['05012345678900', '06001234567891']) {
      const gtin = withCheck(article.slice(0, 13));
      expect(made(gtin, 'itf')).toBe(`product ${gtin}`);
    }
  });
});

test('a range with letters vouches for no card number behind them', () => {
  const letters = compileCardSchemes([
    { name: 'club', kind: 'app', symbologies: ['any'], prefix: 'SK', lengths: [18], checkDigit: 'none' },
  ]);
  const payload = Buffer.from('SK4111111111111111');
  expect(recognise({ payload, symbology: 'qr', source: 'reader' }, { schemes: letters }).kind).toBe(
    'refused',
  );
});

test('a code with keys its layout has nothing on is handed to nobody', () => {
  expect(made('"B$!!!\ufffdDOE>JOHN\ufffd@%!', 'unknown', { layout: 'us' })).toBe('REC_NOT_TEXT');
});

describe('a stripe whose separator was lost', () => {
  test.each([';411111111111111125121010000?', '+01596725000000012345678900?', '+004111111111111111125121?'])(
    '%s is refused',
    (text) => {
      expect(made(text, 'magstripe')).toBe('PAN_REJECTED');
    },
  );
});
