/**
 * The GS1 modulo-10 check digit of `digits` without its check digit (GS1 General Specifications, 7.9): from the right,
 * weights 3 and 1 in turn. EAN-8, UPC-A, EAN-13, ITF-14, SSCC and GSRN all use it.
 * @returns 0…9, or undefined when `digits` is empty or holds anything but 0–9
 */
export function gs1CheckDigit(digits: string): number | undefined {
  if (!/^[0-9]+$/.test(digits)) return undefined;
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const weight = (digits.length - i) % 2 === 1 ? 3 : 1;
    sum += weight * (digits.charCodeAt(i) - 0x30);
  }
  return (10 - (sum % 10)) % 10;
}

/** True when the last of `digits` is their GS1 check digit. */
export function hasGs1CheckDigit(digits: string): boolean {
  return endsWith(digits, gs1CheckDigit(digits.slice(0, -1)));
}

/**
 * The Luhn check digit of `digits` without its check digit (ISO/IEC 7812-1, annex B).
 * @returns 0…9, or undefined when `digits` is empty or holds anything but 0–9
 */
export function luhnCheckDigit(digits: string): number | undefined {
  if (!/^[0-9]+$/.test(digits)) return undefined;
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = digits.charCodeAt(i) - 0x30;
    const doubled = (digits.length - i) % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return (10 - (sum % 10)) % 10;
}

/** True when the last of `digits` is their Luhn check digit. */
export function hasLuhnCheckDigit(digits: string): boolean {
  return endsWith(digits, luhnCheckDigit(digits.slice(0, -1)));
}

function endsWith(digits: string, expected: number | undefined): boolean {
  return expected !== undefined && digits.endsWith(String(expected));
}
