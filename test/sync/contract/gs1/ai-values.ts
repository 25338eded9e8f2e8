import fc from 'fast-check';
import { gs1CheckDigit } from '../../../../foundation/check-digit.ts';
import { aiEntry } from '../../../../sync/contract/gs1/application-identifiers.ts';
import type {
  AiComponent,
  AiEntry,
  CharacterSet,
} from '../../../../sync/contract/gs1/application-identifiers.ts';
import { passesLinter } from '../../../../sync/contract/gs1/value-linters.ts';

/** Every identifier that is assigned. */
export const entries: readonly AiEntry[] = [2, 3, 4].flatMap((digits) =>
  Array.from({ length: 10 ** digits }, (_, i) => aiEntry(String(i).padStart(digits, '0'))).filter(
    (entry) => entry !== undefined,
  ),
);

/** A service relation number with its check digit. */
export const gsrn = withCheckDigit('40123450000000001');

export function withCheckDigit(head: string): string {
  return head + gs1CheckDigit(head);
}

/** What describes a service relation and is nothing without one (associations of the Syntax Dictionary). */
export const relationAis: ReadonlySet<string> = new Set([
  '8019',
  '7241',
  '7242',
  ...Array.from({ length: 10 }, (_, i) => `725${i}`),
]);

/** A value as the format of its identifier has it. */
export function validValue({ components }: AiEntry): fc.Arbitrary<string> {
  const optional = components.filter(({ isOptional }) => isOptional).length;
  return fc
    .integer({ min: components.length - optional, max: components.length })
    .chain((count) => {
      const taken = components.slice(0, count);
      // A component goes on as far as it can before the next one begins.
      return fc.tuple(...taken.map((component, i) => part(component, i === taken.length - 1)));
    })
    .map((parts) => parts.join(''));
}

function part(component: AiComponent, isLast: boolean): fc.Arbitrary<string> {
  const { linters, characters, max } = component;
  const min = isLast ? component.min : max;
  for (const linter of linters) {
    const known = byLinter[linter];
    if (known !== undefined) return known;
  }
  if (linters.includes('csum')) return digits(max - 1, max - 1).map(withCheckDigit);
  if (linters.includes('nonzero')) return digits(max, max).map((any) => `${any.slice(1)}1`);
  if (linters.includes('csumalpha')) {
    return text('X', { min: 1, max: max - 6 }).map((rest) =>
      withCheckCharacters(`4012A${rest}`.slice(0, max - 2)),
    );
  }
  if (linters.includes('gcppos1'))
    return text(characters, { min: 0, max: max - 4 }).map((rest) => `4012${rest}`);
  return text(characters, { min, max });
}

const two = (min: number, max: number): fc.Arbitrary<string> =>
  fc.integer({ min, max }).map((number) => String(number).padStart(2, '0'));
const joined = (...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((all) => all.join(''));
const digits = (min: number, max: number): fc.Arbitrary<string> => text('N', { min, max });
const pair = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }));

const byLinter: Readonly<Record<string, fc.Arbitrary<string>>> = {
  yymmd0: joined(two(0, 99), two(1, 12), two(0, 28)),
  yymmdd: joined(two(0, 99), two(1, 12), two(1, 28)),
  yyyymmdd: joined(two(19, 20), two(0, 99), two(1, 12), two(1, 28)),
  hhmi: joined(two(0, 23), two(0, 59)),
  hh: two(0, 23),
  mi: two(0, 59),
  ss: two(0, 59),
  zero: fc.constant('0'),
  nozeroprefix: fc.integer({ min: 0, max: 999_999_999_999 }).map(String),
  yesno: fc.constantFrom('0', '1'),
  winding: fc.constantFrom('0', '1', '9'),
  hyphen: fc.constant('-'),
  iso5218: fc.constantFrom('0', '1', '2', '9'),
  iso3166alpha2: fc.constantFrom('AT', 'DE'),
  importeridx: fc.constantFrom('A', 'z', '0', '-', '_'),
  mediatype: fc.constantFrom('01', '10', '80', '99'),
  pcenc: fc.constantFrom('Haupt', 'a%20b', '%C3%A4'),
  latitude: fc.integer({ min: 0, max: 1_800_000_000 }).map((number) => String(number).padStart(10, '0')),
  longitude: fc.integer({ min: 0, max: 3_600_000_000 }).map((number) => String(number).padStart(10, '0')),
  pieceoftotal: pair.map(([a, b]) => `0${Math.min(a, b)}0${Math.max(a, b)}`),
  posinseqslash: pair.map(([a, b]) => `${Math.min(a, b)}/${Math.max(a, b)}`),
};

/** GS1 General Specifications, figures 7.11-1 to 7.11-3. */
const alphabets: Readonly<Record<CharacterSet, string>> = {
  N: '0123456789',
  X: '!"%&\'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz',
  Y: '#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ',
  Z: '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz',
};

function text(characters: CharacterSet, { min, max }: { min: number; max: number }): fc.Arbitrary<string> {
  const character = fc.constantFrom(...alphabets[characters].split(''));
  return fc.string({ unit: character, minLength: min, maxLength: max });
}

const CHECK_CHARACTERS = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';

function withCheckCharacters(body: string): string {
  for (const first of CHECK_CHARACTERS) {
    for (const second of CHECK_CHARACTERS) {
      if (passesLinter('csumalpha', body + first + second)) return body + first + second;
    }
  }
  return body;
}
