/** Public test numbers of the payment brands, all with a Luhn check digit. */
export const testPans = [
  '4111111111111111',
  '4242424242424242',
  '4000000000000002',
  '5555555555554444',
  '2223003122003222',
  '378282246310005',
  '6011111111111117',
  '30569309025904',
  '3566002020360505',
  '6200000000000005',
  '6759649826438453',
] as const;

/** A number in groups of four. */
export function grouped(number: string, separator: string): string {
  return number.replaceAll(/(.{4})(?=.)/g, `$1${separator}`);
}
