// Goal: a swipe is split into its tracks, whatever readers put around them, and what is no stripe is not taken for one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cardNumberOn, readTracks } from '../../../../drivers/protocol/magstripe/tracks.ts';
import { asText } from '../../hex.ts';
import { swiped } from './swipes.ts';

/** `track:data`, then the tracks that failed. */
function shown(text: string): string {
  const reading = readTracks(text);
  switch (reading.kind) {
    case 'tracks':
      return [
        ...reading.tracks.map(({ track, data }) => `${track}:${data}`),
        ...reading.unreadable.map((track) => `${track}!`),
      ].join(' | ');
    case 'unreadable':
    case 'encrypted':
      return reading.code;
    case 'none':
      return 'none';
  }
}

describe('a stripe is split into its tracks', () => {
  test.each([
    [';4711?', '2:4711'],
    [';4711=9912?', '2:4711=9912'],
    ['%MUSTERFRAU?;4711?', '1:MUSTERFRAU | 2:4711'],
    ['%A?;1?;2?', '1:A | 2:1 | 3:2'],
    ['%A?;1?+2?', '1:A | 2:1 | 3:2'],
    ['%A?;1?%AAMVA?', '1:A | 2:1 | 3:AAMVA'],
    ['%A?\r;1?\r\n+2?\r\n', '1:A | 2:1 | 3:2'],
    ['%A?\t;1? +2?', '1:A | 2:1 | 3:2'],
    [';1?%A?', '2:1 | 1:A'],
    ['+2?', '3:2'],
    ['%A;B?;1?', '1:A;B | 2:1'],
  ])('%j', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  test('a test card of a bank has both tracks', () => {
    expect(shown(asText(swiped.bankCard))).toBe(
      '1:B5499990001006781^TESTCARD/MC^15120000000000000000 | 2:5499990001006781=15120000000000000000',
    );
  });
});

describe('a check character after a track is no part of it, whatever it is', () => {
  test.each([
    [';4711?3', '2:4711'],
    [';4711?;', '2:4711'],
    [';4711??', '2:4711'],
    ['%A?X;1?4+2?7', '1:A | 2:1 | 3:2'],
    ['%A?%;1?;;2?', '1:A | 2:1 | 3:2'],
    ['%A?\r;1?9\r', '1:A | 2:1'],
  ])('%j', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });
});

describe('an unreadable swipe is told as such and never as a card', () => {
  test.each([
    ['%E?', 'MSR_UNREADABLE'],
    [';E?', 'MSR_UNREADABLE'],
    ['+E?', 'MSR_UNREADABLE'],
    ['%E?;E?+E?', 'MSR_UNREADABLE'],
    ['%E?\r;E?\r', 'MSR_UNREADABLE'],
    ['%E?;4711?', '2:4711 | 1!'],
    ['%A?;E?', '1:A | 2!'],
  ])('%j', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });
});

test('stars in place of digits are an encrypted bank card', () => {
  expect(shown('%*4266********9999^BUSH JR/GEORGE W.MR^*****?*;4266********9999=*****?*')).toBe(
    'MSR_ENCRYPTED',
  );
  expect(shown(';4266********9999=***************?*')).toBe('MSR_ENCRYPTED');
  expect(shown('%GOLD*CARD***?;4711?')).toBe('1:GOLD*CARD*** | 2:4711');
});

describe('what is no stripe is none', () => {
  test.each([
    '',
    '4006381333931',
    ';',
    '?',
    ';?',
    ';4711',
    ';4711?;4712?;4713?;4714?',
    ';4711?and more',
    ';47\u000011?',
    ';47\u00e411?',
    ';47;11?',
    'https://example.org/?q=1',
    '%',
    ' ',
    `;${'1'.repeat(600)}?`,
  ])('%j', (text) => {
    expect(shown(text)).toBe('none');
  });
});

describe('the card number on a track', () => {
  test.each([
    [2, '4711', '4711'],
    [2, '4711=9912', '4711'],
    [3, '4711=9912=1', '4711'],
    [1, 'B4711^MUSTERFRAU/ERIKA^99', '4711'],
    [1, '4711', '4711'],
    [1, 'MUSTERFRAU', undefined],
    [2, '', undefined],
    [2, '47 11', undefined],
    [2, '4711^A', undefined],
  ] as const)('of track %i, %j', (track, data, expected) => {
    expect(cardNumberOn({ track, data })).toBe(expected);
  });
});

test('tracks of digits come back, with any fillers between them', () => {
  const digits = fc.string({
    unit: fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '='),
    minLength: 1,
    maxLength: 37,
  });
  const filler = fc.constantFrom('', '\r', '\r\n', ' ', '\t');
  fc.assert(
    fc.property(digits, digits, digits, filler, filler, (one, two, three, a, b) => {
      expect(shown(`%${one}?${a};${two}?${b}+${three}?`)).toBe(`1:${one} | 2:${two} | 3:${three}`);
    }),
  );
});
