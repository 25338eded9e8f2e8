import { z } from 'zod';
import { hasGs1CheckDigit, hasLuhnCheckDigit } from '../../foundation/check-digit.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Frozen } from '../../foundation/yaml-config.ts';
import { identifierKinds } from './credential.ts';
import type { IdentifierKind } from './credential.ts';
import { paymentBrandWithin } from './payment-card-brands.ts';

/** Name of a symbology as readers report it, in lower case. */
const SymbologyName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);

/**
 * A pattern that cannot take long: literals, `\d` and classes of letters and digits, each repeated a fixed number of
 * times, and at most one of them a variable one.
 */
const SAFE_PATTERN =
  /^\^(?:(?:\[[0-9A-Za-z-]{1,64}\]|\\d|[0-9A-Za-z])(?:\{[0-9]{1,2}(?:,[0-9]{1,2})?\})?){1,64}\$$/;

const Pattern = z
  .string()
  .max(200)
  .regex(SAFE_PATTERN, 'expected ^…$ of letters, digits, \\d and [classes], each with {n} or {n,m} at most')
  .refine((pattern) => pattern.split(',').length <= 2, 'at most one {n,m} may be in a pattern')
  .refine(isRegExp, 'not a regular expression');

/** A kind of loyalty number: how to tell it from all else that is scanned. */
export const CardScheme = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
    .describe('Name of the scheme, unique among them, e.g. "plastic-card"'),
  kind: z
    .enum(['card', 'gsrn', 'app'])
    .describe('What the number is: a card’s, a GS1 service relation number (GSRN), an app’s'),
  symbologies: z
    .array(SymbologyName)
    .min(1)
    .max(40)
    .describe(
      'Where it may come from: symbologies such as "ean-13" or "gs1-128", "magstripe", "unknown" for scanners that do not tell, "any" for all a reader can read, and "typed"',
    ),
  prefix: z
    .string()
    .regex(/^[0-9A-Za-z]{1,24}$/)
    .describe('What every number begins with'),
  lengths: z
    .array(z.int().min(4).max(64))
    .min(1)
    .max(16)
    .describe('Characters of the whole number, prefix and check digit included'),
  checkDigit: z.enum(['none', 'luhn', 'gs1']).describe('How the last digit is calculated'),
  pattern: Pattern.optional().describe(
    'Regular expression that numbers must fit as well, e.g. "^9276\\d{12}$"',
  ),
  allowOverlapReason: z
    .string()
    .min(10)
    .max(200)
    .optional()
    .describe(
      'Why numbers that payment cards could have are taken for loyalty numbers; without it such a scheme is refused',
    ),
});
export type CardScheme = Frozen<z.infer<typeof CardScheme>>;

/** The schemes of a programme, checked together. */
export const CardSchemes = z
  .array(CardScheme)
  .min(1)
  .max(50)
  .superRefine((schemes, context) => {
    for (const { index, key, message } of problemsOf(schemes)) {
      context.addIssue({ code: 'custom', path: [index, key], message });
    }
  });

/** A number's source besides the symbologies: `typed` by a person, `any` when it does not matter, as when issuing cards. */
export type NumberSource = string;

type CompiledScheme = CardScheme & {
  readonly regExp: RegExp | undefined;
};

/** Schemes ready for matching; made by {@link compileCardSchemes}. */
export interface CompiledSchemes {
  readonly byLength: ReadonlyMap<number, readonly CompiledScheme[]>;
}

/**
 * The payment brand whose numbers a scheme could take in, if any: same length, and one's prefix within the other's.
 * Where the source itself tells a loyalty number from a card number there is no overlap: a GTIN with check digit in an
 * EAN or UPC symbol, a GSRN under its AI in a GS1 symbol. Nor has a prefix with letters one.
 */
export function overlapsPaymentCards(scheme: CardScheme): string | undefined {
  if (!/^[0-9]+$/.test(scheme.prefix) || scheme.symbologies.every((each) => isToldApart(scheme, each))) {
    return undefined;
  }
  for (const length of scheme.lengths) {
    const brand = length < 13 || length > 19 ? undefined : paymentBrandWithin(scheme.prefix, length);
    if (brand !== undefined) return brand;
  }
  return undefined;
}

/**
 * Makes schemes ready for matching.
 * @throws StammkundeError CFG_INVALID listing every scheme that overlaps payment cards without a reason, or contradicts itself
 */
export function compileCardSchemes(schemes: readonly CardScheme[]): CompiledSchemes {
  const problems = problemsOf(schemes);
  if (problems.length > 0) {
    throw new StammkundeError(
      'CFG_INVALID',
      problems.map(({ index, key, message }) => `schemes.${index}.${key}: ${message}`).join('\n'),
    );
  }
  const byLength = new Map<number, CompiledScheme[]>();
  for (const scheme of schemes) {
    const regExp = scheme.pattern === undefined ? undefined : new RegExp(scheme.pattern);
    for (const length of new Set(scheme.lengths)) {
      byLength.set(length, [...(byLength.get(length) ?? []), { ...scheme, regExp }]);
    }
  }
  return { byLength };
}

/**
 * The first scheme, in the order of configuration, whose number `value` is; `check-digit` when one fits in source,
 * prefix, length and pattern and none has that check digit.
 * @param value the bare number: no sentinels, no separators, no AI
 * @param kinds only schemes of these
 */
export function matchCardScheme(
  { byLength }: CompiledSchemes,
  value: string,
  source: NumberSource,
  kinds: readonly IdentifierKind[] = identifierKinds,
): { readonly scheme: CardScheme; readonly canonical: string } | 'check-digit' | undefined {
  let almost = false;
  // What only looks like digits is another number, or nobody's.
  if (!PRINTABLE_ASCII.test(value)) return undefined;
  for (const scheme of byLength.get(value.length) ?? []) {
    if (!value.startsWith(scheme.prefix) || !comesFrom(scheme, source) || !kinds.includes(scheme.kind))
      continue;
    if (scheme.regExp?.test(value) === false) continue;
    if (hasCheckDigit(scheme, value)) return { scheme, canonical: value };
    // Letters where a check digit is calculated: some other code that begins alike.
    if (/^[0-9]+$/.test(value)) almost = true;
  }
  return almost ? 'check-digit' : undefined;
}

const PRINTABLE_ASCII = /^[!-~]+$/;

/** Source of a number that stood in a GS1 Digital Link: where it is taken from GS1 symbols, it is from there too. */
export const DIGITAL_LINK = 'gs1-digital-link';

function comesFrom({ symbologies }: CardScheme, source: NumberSource): boolean {
  if (source === DIGITAL_LINK && symbologies.some((each) => each.startsWith('gs1-'))) return true;
  return (
    source === 'any' || symbologies.includes(source) || (source !== 'typed' && symbologies.includes('any'))
  );
}

function hasCheckDigit({ checkDigit }: CardScheme, value: string): boolean {
  switch (checkDigit) {
    case 'none':
      return true;
    case 'luhn':
      return /^[0-9]+$/.test(value) && hasLuhnCheckDigit(value);
    case 'gs1':
      return /^[0-9]+$/.test(value) && hasGs1CheckDigit(value);
  }
}

/** Where `findPaymentCard` takes 13 digits with a GS1 check digit for a GTIN. */
const GTIN_SOURCES: ReadonlySet<string> = new Set(['ean-13', 'ean-8', 'upc-a', 'upc-e', 'unknown', 'typed']);

function isToldApart({ kind, checkDigit, lengths }: CardScheme, symbology: string): boolean {
  if (kind === 'gsrn') return symbology.startsWith('gs1-');
  const isGtin13 = checkDigit === 'gs1' && lengths.every((length) => length <= 13);
  return isGtin13 && GTIN_SOURCES.has(symbology);
}

interface Problem {
  readonly index: number;
  readonly key: keyof CardScheme;
  readonly message: string;
}

function problemsOf(schemes: readonly CardScheme[]): Problem[] {
  const names = new Set<string>();
  return schemes.flatMap((scheme, index) => {
    const problems: Problem[] = [];
    const report = (key: keyof CardScheme, message: string): void => {
      problems.push({ index, key, message });
    };
    if (names.has(scheme.name)) report('name', 'another scheme has this name');
    names.add(scheme.name);
    if (scheme.lengths.some((length) => length <= scheme.prefix.length))
      report('lengths', 'a number must be longer than its prefix');
    if (scheme.checkDigit !== 'none' && !/^[0-9]+$/.test(scheme.prefix))
      report('checkDigit', 'a number with letters in its prefix has no check digit');
    if (
      scheme.kind === 'gsrn' &&
      (scheme.checkDigit !== 'gs1' || scheme.lengths.some((length) => length !== 18))
    )
      report('kind', 'a GSRN has 18 digits, the last its GS1 check digit');
    const brand = scheme.allowOverlapReason === undefined ? overlapsPaymentCards(scheme) : undefined;
    if (brand !== undefined)
      report(
        'prefix',
        `numbers like these can be ${brand} payment cards; narrow them, or give allowOverlapReason`,
      );
    return problems;
  });
}

function isRegExp(pattern: string): boolean {
  try {
    return new RegExp(pattern) instanceof RegExp;
  } catch {
    return false;
  }
}
