/** A number with something before its check digit. */
const DIGITS = /^[0-9]{2,}$/;

/** True when the last digit is the GS1 mod-10 check digit of those before it (GS1 General Specifications, 7.9). */
export function hasGs1CheckDigit(digits: string): boolean {
  return DIGITS.test(digits) && weightedSum(digits, gs1Weight) % 10 === 0;
}

/** True when the last digit is the Luhn check digit of those before it (ISO/IEC 7812-1, annex B). */
export function hasLuhnCheckDigit(digits: string): boolean {
  return DIGITS.test(digits) && weightedSum(digits, luhnWeight) % 10 === 0;
}

/** The GS1 mod-10 check digit to append to `digits`. */
export function gs1CheckDigit(digits: string): string {
  return complement(weightedSum(`${digits}0`, gs1Weight));
}

/** The Luhn check digit to append to `digits`. */
export function luhnCheckDigit(digits: string): string {
  return complement(weightedSum(`${digits}0`, luhnWeight));
}

function gs1Weight(digit: number, fromRight: number): number {
  return fromRight % 2 === 1 ? digit * 3 : digit;
}

function luhnWeight(digit: number, fromRight: number): number {
  const weighted = fromRight % 2 === 1 ? digit * 2 : digit;
  return weighted > 9 ? weighted - 9 : weighted;
}

/** Sum over ASCII digits, each weighted by its position counted from the right, from 0. */
function weightedSum(digits: string, weight: (digit: number, fromRight: number) => number): number {
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) sum += weight(digits.charCodeAt(i) - 48, digits.length - 1 - i);
  return sum;
}

function complement(sum: number): string {
  return String((10 - (sum % 10)) % 10);
}
