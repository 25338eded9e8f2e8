// Garbled texts come from the drivers' own keyboards: what a scanner types with one layout, decoded with another.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { composeAll } from '../../../drivers/keyboard/dead-keys.ts';
import type { LayoutName } from '../../../drivers/keyboard/layout.ts';
import { layoutNames } from '../../../drivers/keyboard/layout.ts';
import { fittingLayout } from '../../../edge/recognition/scanner-layout.ts';
import { typed } from '../../../simulator/readers/keyboard-typist.ts';
import { appCodeForms, readAppCodeForm, writeAppCode } from '../../../sync/contract/app-code/forms.ts';
import { APP_CODE_BYTES, appCodeHead } from '../../../sync/contract/app-code/app-code.ts';
import { decoded, decoder, texts } from '../../drivers/protocol/keyboard-wedge/decoding.ts';

const CARD = /^29[0-9]{11}$/;
const PLASTIC = /^K-[0-9]{6}$/;
const ADDRESS = /^https:\/\/id\.acme\.example\/8018\/[0-9]{18}$/;

const isCard = (text: string): boolean => CARD.test(text) || PLASTIC.test(text) || ADDRESS.test(text);
const isAppCode = (text: string): boolean => readAppCodeForm(text)?.kind === 'code';

/** What a scanner set to `fits` types, read as `assumed`. */
function garbled(text: string, fits: LayoutName, assumed: LayoutName): string {
  const reports = typed(text, { layout: fits, suffix: 'enter' });
  return texts(decoded(decoder(assumed), reports)).join('');
}

const digitsWithoutShift = layoutNames.filter((name) => name !== 'fr' && name !== 'be');

describe('captures of wrong layouts', () => {
  test.each([
    ['https>&&id.acme.example&8018&400638133393000013', 'us', 'de'],
    ['httpsÖ--id.acme.example-8018-400638133393000013', 'de', 'us'],
  ] as const)('an address: %s', (text, assumed, fits) => {
    expect(fittingLayout(text, assumed, isCard)).toEqual({
      assumed,
      fits,
      alsoFits: assumed === 'us' ? ['ch-de', 'it', 'ch-fr'] : [],
      text: 'https://id.acme.example/8018/400638133393000013',
      symbology: undefined,
    });
  });

  test('the digits of a badge on a Belgian and a French keyboard', () => {
    const isBadge = (text: string): boolean => text === '0013748911';
    expect(fittingLayout('àà&"è\'!ç&&', 'be', isBadge)).toMatchObject({ fits: 'us', text: '0013748911' });
    expect(fittingLayout('àà&"è\'_ç&&', 'fr', isBadge)).toMatchObject({ fits: 'us', text: '0013748911' });
    expect(fittingLayout('àà&"è\'!ç&&', undefined, isBadge)).toMatchObject({ assumed: 'be', fits: 'us' });
  });

  test('an AIM identifier whose bracket became + names the symbology of what follows', () => {
    const seen: unknown[] = [];
    const found = fittingLayout('+E02912345678906', 'de', (text, symbology) => {
      seen.push([text, symbology]);
      return symbology === 'ean-13' && CARD.test(text);
    });
    expect(found).toMatchObject({ assumed: 'de', fits: 'us', text: '2912345678906', symbology: 'ean-13' });
    expect(seen[0]).toEqual(['+E02912345678906', undefined]);
  });

  test('an AIM identifier whose bracket is no key of the layout', () => {
    const text = garbled(']E02912345678906', 'de', 'us');
    expect(text).toBe('\u{FFFD}E02912345678906');
    expect(fittingLayout(text, 'us', isCard)).toMatchObject({ fits: 'de', text: '2912345678906' });
  });
});

test('a key missing at the head is no bracket where every layout types one', () => {
  expect(fittingLayout('\u{FFFD}E02912345678906', 'de', isCard)).toBeUndefined();
});

describe('every pair of layouts', () => {
  const address = 'https://id.acme.example/8018/400638133393000013';
  const pairs = layoutNames.flatMap((assumed) => layoutNames.map((fits) => ({ assumed, fits })));
  const garbling = pairs.filter(({ assumed, fits }) => garbled(address, fits, assumed) !== address);

  test('of the US, France and the countries around Germany garbles an address', () => {
    const alike = [['us'], ['de', 'at', 'ch-de', 'ch-fr', 'it'], ['fr', 'be']];
    const same = alike.flatMap((group) => group.flatMap((a) => group.map((b) => `${a} ${b}`)));
    const ungarbled = pairs.filter((pair) => !garbling.includes(pair));
    expect(ungarbled.map(({ assumed, fits }) => `${assumed} ${fits}`).toSorted()).toEqual(same.toSorted());
  });

  test.each(garbling)('$fits read as $assumed gives the address back', ({ assumed, fits }) => {
    const text = garbled(address, fits, assumed);
    expect(fittingLayout(text, assumed, isCard)).toMatchObject({ assumed, text: address });
  });

  test('is found without knowing what was assumed', () => {
    const found = garbling.map(
      ({ assumed, fits }) => fittingLayout(garbled(address, fits, assumed), undefined, isCard)?.text,
    );
    expect(new Set(found)).toEqual(new Set([address]));
  });

  test('gives any app code back, in each of its spellings, or names the layout among those that would do', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: APP_CODE_BYTES - 14, maxLength: APP_CODE_BYTES - 14 }),
        fc.constantFrom(...appCodeForms),
        fc.constantFrom(...pairs),
        (signed, form, { assumed, fits }) => {
          const keyId = Buffer.from(signed.subarray(0, 8)).toString('hex');
          const head = appCodeHead({ keyId, issuedAt: 1, windowSeconds: 30, nonce: signed.slice(0, 4) });
          const code = Buffer.concat([head, signed]).subarray(0, APP_CODE_BYTES);
          const meant = writeAppCode(code, form, 'https://app.example/');
          const text = garbled(meant, fits, assumed);
          expect(isAppCode(meant)).toBe(true);
          fc.pre(!isAppCode(text));
          const found = fittingLayout(text, assumed, isAppCode);
          const named = [found?.fits, ...(found?.alsoFits ?? [])];
          expect(named).toContain(fits === 'at' ? 'de' : fits);
          expect(isAppCode(found?.text ?? '')).toBe(true);
          // Digits are digits; in base45 another reading can be an app code in form.
          expect(named.length > 1 || form === 'base45' || found?.text === meant).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('never', () => {
  test('of a text that is no credential with any layout', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc.constantFrom(undefined, ...layoutNames),
        (text, assumed) => {
          expect(fittingLayout(text, assumed, () => false)).toBeUndefined();
        },
      ),
      { numRuns: 300 },
    );
  });

  test('of a number, valid or not, with whatever is taken for a credential', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[0-9]{1,40}$/),
        fc.constantFrom(undefined, ...layoutNames),
        (text, assumed) => {
          expect(fittingLayout(text, assumed, (other) => other !== text)).toBeUndefined();
        },
      ),
    );
  });

  test('of a text that is meant as it stands', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.constantFrom(...layoutNames),
        (text, assumed) => {
          expect(fittingLayout(text, assumed, () => true)).toBeUndefined();
        },
      ),
    );
  });

  test.each([
    ['Z12345', 'Y12345'],
    ['K-123456', 'K/123456'],
    ['MAY-1', 'MAZ-1'],
  ])('of an article %s beside which there is a card %s', (article, card) => {
    expect(fittingLayout(article, undefined, (text) => text === card)).toBeUndefined();
  });

  test('of any short article in letters and digits, though every such text were a card', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Z0-9]{4,19}$/),
        fc.constantFrom(undefined, ...digitsWithoutShift),
        (text, assumed) => {
          const found = fittingLayout(text, assumed, (other) => other !== text && /^[A-Z0-9]+$/.test(other));
          expect(found).toBeUndefined();
        },
      ),
    );
  });

  test('of what is longer than anything recognition looks into', () => {
    expect(fittingLayout(`httpsÖ--${'a'.repeat(600)}`, 'de', (text) => text.startsWith('https:'))).toBe(
      undefined,
    );
  });
});

test('an accent alone is read as a dead key before a character and as one before a space', () => {
  // `=` of a US scanner is the dead acute of a German keyboard; `^` of a German one is a dead key and a space.
  expect(garbled('a=b=1', 'us', 'de')).toBe(composeAll('a\u0301b\u03011'));
  expect(fittingLayout('a´b´1', 'de', (text) => text === 'a=b=1')).toMatchObject({ fits: 'us' });
  expect(fittingLayout('a´b´1', 'de', (text) => text === 'a= b= 1')).toMatchObject({ fits: 'us' });
  expect(fittingLayout('` abc&', 'us', (text) => text === '^abc/')).toMatchObject({ fits: 'de' });
});
