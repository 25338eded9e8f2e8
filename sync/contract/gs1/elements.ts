import { hasGs1CheckDigit } from '../../../foundation/check-digit.ts';

/** ASCII GS, which ends an element of variable length; scanners send it for FNC1. */
export const GS = '\u001d';

/** One application identifier and its value. */
export interface Gs1Element {
  readonly ai: string;
  readonly value: string;
  /** Where the element begins in the text, and where the next one does. */
  readonly from: number;
  readonly to: number;
}

/**
 * Splits a GS1 element string. What follows an AI that is not assigned is not split. Values are not looked at:
 * `readElementString` does that.
 * Source: GS1 General Specifications, 7.8 (figures 7.8.4-2 and 7.8.5-2: AIs of predefined length, by two digits).
 */
export function gs1Elements(text: string): Gs1Element[] {
  const elements: Gs1Element[] = [];
  let from = 0;
  // Looked for anew only once passed, or a long text without any would be gone through for each element.
  let end = endAt(text, from);
  while (from < text.length) {
    if (text[from] === GS) {
      from += 1;
      continue;
    }
    const start = text.slice(from, from + 2);
    const aiDigits = aiLengths.get(start);
    const ai = text.slice(from, from + (aiDigits ?? 0));
    if (aiDigits === undefined || ai.length < aiDigits || !DIGITS.test(ai)) break;
    if (end < from) end = endAt(text, from);
    const fixed = predefinedLengths.get(start);
    const to = fixed === undefined ? end : Math.min(end, from + fixed);
    elements.push({ ai, value: text.slice(from + aiDigits, to), from, to });
    from = to;
  }
  return elements;
}

/** Where the next separator is, or the end of the text. */
function endAt(text: string, from: number): number {
  const separator = text.indexOf(GS, from);
  return separator === -1 ? text.length : separator;
}

/** Digits at the head of the value that are a GS1 key and end in its check digit; 0 for an AI that holds no such key. */
export function gs1KeyDigits(ai: string): number {
  return keyDigits.get(ai) ?? 0;
}

/** True when the element's value begins with the key its AI promises, check digit included. */
export function holdsGs1Key({ ai, value }: Pick<Gs1Element, 'ai' | 'value'>): boolean {
  const key = value.slice(0, gs1KeyDigits(ai));
  return key.length > 0 && key.length === gs1KeyDigits(ai) && DIGITS.test(key) && hasGs1CheckDigit(key);
}

const DIGITS = /^[0-9]+$/;

/** Characters of an element, AI included, by its first two digits. */
const predefinedLengths: ReadonlyMap<string, number> = new Map([
  ['00', 20],
  ['01', 16],
  ['02', 16],
  ['03', 16],
  ['04', 18],
  ...['11', '12', '13', '14', '15', '16', '17', '18', '19'].map((start) => [start, 8] as const),
  ['20', 4],
  ...['31', '32', '33', '34', '35', '36'].map((start) => [start, 10] as const),
  ['41', 16],
]);

/** Digits of an AI by its first two. */
const aiLengths: ReadonlyMap<string, number> = new Map([
  ...['00', '01', '02', '03', '04', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19'].map(
    (start) => [start, 2] as const,
  ),
  ...['20', '21', '22', '30', '37', '90', '91', '92', '93', '94', '95', '96', '97', '98', '99'].map(
    (start) => [start, 2] as const,
  ),
  ...['23', '24', '25', '40', '41', '42', '71'].map((start) => [start, 3] as const),
  ...['31', '32', '33', '34', '35', '36', '39', '43', '70', '72', '80', '81', '82'].map(
    (start) => [start, 4] as const,
  ),
]);

/** SSCC, GTIN, GLN, GSIN, GDTI, GCN, GRAI, ITIP, GSRN. */
const keyDigits: ReadonlyMap<string, number> = new Map([
  ['00', 18],
  ['01', 14],
  ['02', 14],
  ['03', 14],
  ['402', 17],
  ...['410', '411', '412', '413', '414', '415', '416', '417'].map((ai) => [ai, 13] as const),
  ['253', 13],
  ['255', 13],
  ['8003', 14],
  ['8006', 14],
  ['8017', 18],
  ['8018', 18],
]);
