import { expect, test } from 'vitest';
import { presentedCode } from '../../../edge/recognition/presented-code.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { Phone } from '../../../simulator/phone.ts';
import { compileCardSchemes } from '../../../sync/contract/card-scheme.ts';
import { appCodeForms } from '../../../sync/contract/app-code/forms.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const rules = {
  schemes: compileCardSchemes([
    {
      name: 'app',
      kind: 'app',
      symbologies: ['qr', 'typed'],
      prefix: '4711',
      lengths: [10],
      checkDigit: 'none',
    },
  ]),
};
const phone = new Phone(Buffer.alloc(32, 5), {
  tenant: 'kaufhaus',
  clock: new ManualClock(),
  random: new SeededRandom(5),
});
const present = (text: string | Uint8Array, symbology = 'qr', source: 'reader' | 'typed' = 'reader') =>
  presentedCode({ payload: typeof text === 'string' ? Buffer.from(text) : text, symbology, source }, rules);

test.each(['qr', 'aztec', 'data-matrix', 'pdf417', 'unknown'])(
  'an app code in %s is one in each form',
  (symbology) => {
    for (const form of appCodeForms)
      expect(present(phone.code(form), symbology)).toMatchObject({
        kind: 'app-code',
        code: { keyId: phone.keyId },
      });
  },
);

test('an app code typed by a scanner that types is one', () => {
  expect(present(phone.code('digits'), 'unknown', 'typed')).toMatchObject({ kind: 'app-code' });
});

test('a rotating code is the number of a card scheme, no more trusted than the number alone', () => {
  expect(present('4711000012-1795348800-12345678')).toMatchObject({
    kind: 'rotating-code',
    credential: { kind: 'app', scheme: 'app', trust: 'L1' },
    at: 1_795_348_800_000,
    password: '12345678',
  });
  expect(present('4711000012-1795348800-12345678', 'unknown', 'typed')).toMatchObject({
    credential: { trust: 'L0' },
  });
});

test('what is no code of a phone is left to the recognition of everything else', () => {
  for (const text of [
    '4006381333931',
    '4711000012',
    '4712000012-1795348800-12345678',
    '4111111111111111-1795348800-12345678',
    '%B4111111111111111^DOE/JOHN^3012101?',
    'https://id.example/8018/761234500000000012',
  ])
    expect(present(text)).toBeUndefined();
  expect(present('4711000012-1795348800-12345678', 'ean-13')).toBeUndefined();
  expect(present(new Uint8Array(513).fill(0x37))).toBeUndefined();
  expect(present(new Uint8Array(200).fill(0xff))).toBeUndefined();
});

test('a broken app code says what is wrong with it', () => {
  expect(present(`${phone.code('digits')}0`)).toEqual({ kind: 'unreadable', code: 'APP_CODE_MALFORMED' });
  expect(present(phone.code('base45').replace(':', 'Ö'))).toEqual({
    kind: 'unreadable',
    code: 'SCANNER_LAYOUT',
  });
});
