import { expect, test } from 'vitest';
import { TillEvent } from '../../../edge/api/events.ts';
import { recognise } from '../../../edge/recognition/recognise.ts';
import { scanOutcome } from '../../../edge/recognition/recognition-views.ts';
import { gs1CheckDigit } from '../../../foundation/check-digit.ts';
import { compileCardSchemes } from '../../../sync/contract/card-scheme.ts';

const withCheckDigit = (head: string): string => head + gs1CheckDigit(head);
const rules = {
  schemes: compileCardSchemes([
    { name: 'club', kind: 'card', symbologies: ['ean-13'], prefix: '9923', lengths: [13], checkDigit: 'gs1' },
  ]),
};
const scan = (text: string, symbology: string) =>
  recognise({ payload: Buffer.from(text), symbology, source: 'reader' }, rules);
const gcn = withCheckDigit('401234567890');

test.each([
  [withCheckDigit('981123456789'), 'ean-13'],
  [withCheckDigit('990123456789'), 'ean-13'],
  [`255${gcn}0001`, 'gs1-databar'],
  ['8110106141416543213150110120', 'gs1-databar'],
  [`https://id.gs1.org/255/${gcn}0001`, 'qr'],
])('a coupon is handed on as it is, and told as such: %s in %s', (code, symbology) => {
  const recognised = scan(code, symbology);
  expect(recognised).toEqual({ kind: 'product', code, what: 'coupon' });
  const outcome = scanOutcome(recognised, symbology);
  expect(outcome).toEqual({ kind: 'product', code, symbology, what: 'coupon' });
  const event = { event: 'scan', scanId: '018f0000-0000-7000-8000-000000000001', readerId: 'a', outcome };
  expect(TillEvent.safeParse(event).success).toBe(true);
});

test.each([
  [withCheckDigit('980123456789'), 'ean-13'],
  [withCheckDigit('977123456789'), 'ean-13'],
  [withCheckDigit('978316148410'), 'ean-13'],
  [withCheckDigit('200123456789'), 'ean-13'],
  [withCheckDigit('020123456789'), 'ean-13'],
  [withCheckDigit('040123456789'), 'ean-13'],
  [withCheckDigit('990123456789'), 'code-128'],
  ['0104006381333931', 'gs1-128'],
])('a receipt, a magazine, a book, a weighed article is no coupon: %s in %s', (code, symbology) => {
  expect(scan(code, symbology)).toEqual({ kind: 'product', code });
});

test('a number of a card scheme is a card, whatever its prefix means elsewhere', () => {
  expect(scan(withCheckDigit('992312345678'), 'ean-13').kind).toBe('credential');
});
