import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  gs1CheckDigit,
  hasGs1CheckDigit,
  hasLuhnCheckDigit,
  luhnCheckDigit,
} from '../../foundation/check-digit.ts';

test.each(['4006381333931', '96385074', '036000291452', '00012345678905'])(
  '%s has its GS1 check digit',
  (digits) => {
    expect(hasGs1CheckDigit(digits)).toBe(true);
  },
);

test.each(['4006381333932', '', '7', '400638133393a', ' 4006381333931'])(
  '%j has no GS1 check digit',
  (digits) => {
    expect(hasGs1CheckDigit(digits)).toBe(false);
  },
);

test.each(['79927398713', '4111111111111111', '5499990001006781'])(
  '%s has its Luhn check digit',
  (digits) => {
    expect(hasLuhnCheckDigit(digits)).toBe(true);
  },
);

test.each(['79927398710', '', '0', '4111-1111-1111-1111'])('%j has no Luhn check digit', (digits) => {
  expect(hasLuhnCheckDigit(digits)).toBe(false);
});

test('a check digit catches every single wrong digit', () => {
  const digits = fc.stringMatching(/^[0-9]{6,20}$/);
  fc.assert(
    fc.property(digits, fc.nat(), fc.integer({ min: 1, max: 9 }), (body, where, by) => {
      const at = where % body.length;
      const wrong = body.slice(0, at) + String((Number(body[at]) + by) % 10) + body.slice(at + 1);
      expect(hasGs1CheckDigit(`${wrong}${gs1CheckDigit(body)}`)).toBe(false);
      expect(hasLuhnCheckDigit(`${wrong}${luhnCheckDigit(body)}`)).toBe(false);
      expect(hasGs1CheckDigit(`${body}${gs1CheckDigit(body)}`)).toBe(true);
      expect(hasLuhnCheckDigit(`${body}${luhnCheckDigit(body)}`)).toBe(true);
    }),
  );
});
