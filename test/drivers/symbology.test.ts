import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAim } from '../../drivers/symbology/aim.ts';
import { asText, text } from './hex.ts';

describe('an AIM identifier names the symbology and is stripped', () => {
  test.each([
    [']E04006381333931', 'ean-13', '4006381333931'],
    [']E0036000291452', 'upc-a', '036000291452'],
    [']E001234565', 'upc-e', '01234565'],
    [']E112', 'ean-addon', '12'],
    [']E212345', 'ean-addon', '12345'],
    [']E3400638133393112', 'ean-13-addon', '400638133393112'],
    [']E496385074', 'ean-8', '96385074'],
    [']C0K-1001', 'code-128', 'K-1001'],
    [']C1010400638133393110ABC', 'gs1-128', '010400638133393110ABC'],
    [']C2K-1001', 'code-128', 'K-1001'],
    [']C4=A99', 'isbt-128', '=A99'],
    [']A0K1', 'code-39', 'K1'],
    [']A7K1', 'code-39', 'K1'],
    [']I1123456', 'itf', '123456'],
    [']F0123', 'codabar', '123'],
    [']G0K', 'code-93', 'K'],
    [']H0K', 'code-11', 'K'],
    [']M0K', 'msi', 'K'],
    [']S0K', 'straight-2of5', 'K'],
    [']R0K', 'straight-2of5', 'K'],
    [']L0K', 'pdf417', 'K'],
    [']Q0K', 'qr', 'K'],
    [']Q1K', 'qr', 'K'],
    [']Q2K', 'qr', 'K'],
    [']Q3K', 'gs1-qr', 'K'],
    [']Q4K', 'gs1-qr', 'K'],
    [']Q5K', 'qr', 'K'],
    [']d1K', 'data-matrix', 'K'],
    [']d2K', 'gs1-data-matrix', 'K'],
    [']d3K', 'data-matrix', 'K'],
    [']d4K', 'data-matrix', 'K'],
    [']d5K', 'gs1-data-matrix', 'K'],
    [']d6K', 'data-matrix', 'K'],
    [']e0K', 'gs1-databar', 'K'],
    [']e1K', 'gs1-databar', 'K'],
    [']J0K', 'dotcode', 'K'],
    [']J1K', 'gs1-dotcode', 'K'],
    [']z0K', 'aztec', 'K'],
    [']z3K', 'aztec', 'K'],
    [']z1K', 'gs1-aztec', 'K'],
    [']z4K', 'gs1-aztec', 'K'],
    [']z7K', 'gs1-aztec', 'K'],
    [']zAK', 'gs1-aztec', 'K'],
    [']L3K', 'gs1-128', 'K'],
    [']o1K', 'ocr', 'K'],
    [']h0K', 'han-xin', 'K'],
    [']X04006381333931', 'unknown', '4006381333931'],
    [']X94006381333931', 'ean-13', '4006381333931'],
    [']XC96385074', 'ean-8', '96385074'],
    [']Xg036000291452', 'upc-a', '036000291452'],
    [']Xk01234565', 'upc-e', '01234565'],
    [']XrK', 'gs1-databar', 'K'],
    [']XsK', 'gs1-databar', 'K'],
    [']XtK', 'gs1-databar', 'K'],
    [']XVK', 'pdf417', 'K'],
    [']XSK', 'micro-qr', 'K'],
    [']Z0K', 'unknown', 'K'],
  ])('%s', (frame, symbology, payload) => {
    const reading = readAim(text(frame));
    expect(reading).toMatchObject({ kind: 'data', symbology, aim: frame.slice(0, 3) });
    expect(reading.kind === 'data' ? asText(reading.payload) : undefined).toBe(payload);
  });
});

test('a Honeywell command reply is no scan', () => {
  expect(readAim(text(']Z6REVINF\x06.'))).toEqual({ kind: 'reply', aim: ']Z6' });
});

test.each(['', ']', ']E', '4006381333931', ']y0K', ']E-K', ']]]', 'E04006381333931', ']N1K'])(
  '%j carries no AIM identifier',
  (frame) => {
    expect(readAim(text(frame))).toEqual({ kind: 'none' });
  },
);

test('whatever follows the identifier is the payload, byte for byte', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (payload) => {
      const reading = readAim(Uint8Array.from([...text(']Q1'), ...payload]));
      expect(reading).toEqual({ kind: 'data', symbology: 'qr', aim: ']Q1', payload });
    }),
  );
  expect.hasAssertions();
});

test('no bytes make the AIM reader fail', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), (rest) => {
      expect(['data', 'reply', 'none']).toContain(readAim(Uint8Array.from([0x5d, ...rest])).kind);
    }),
  );
  expect.hasAssertions();
});
