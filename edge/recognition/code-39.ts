/** Code 39 with the asterisks that start and stop it, which some scanners send (ISO/IEC 16388). */
export const CODE_39 = /^\*([0-9A-Z .$/+%-]{1,64})\*$/;

/** Its 43 characters in the order of their values. */
const CHARACTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%';
/** ISO/IEC 15424: the check character was verified and is sent; the data has been turned into full ASCII. */
const WITH_CHECK_CHARACTER: ReadonlySet<string> = new Set([']A1', ']A5']);
const FULL_ASCII: ReadonlySet<string> = new Set([']A4', ']A5', ']A7']);

/**
 * The other numbers a Code 39 can stand for, likeliest first: without its asterisks, with small letters where a pair of
 * characters means one (`+A`), without the check character when the AIM identifier says that it is sent, or, of a scanner
 * that sends no identifier, when it is right.
 */
export function code39Numbers(text: string, aim: string | undefined): readonly string[] {
  const inner = CODE_39.exec(text)?.[1];
  const data = inner ?? text;
  const hasCheck = aim === undefined ? hasCheckCharacter(data) : WITH_CHECK_CHARACTER.has(aim);
  const without = hasCheck ? [data.slice(0, -1)] : [];
  const plain = [...(inner === undefined ? [] : [inner]), ...without];
  if (aim !== undefined && FULL_ASCII.has(aim)) return plain;
  const spelled = [data, ...without].map(withSmallLetters);
  return [...plain, ...spelled.filter((each) => each !== data && !plain.includes(each))];
}

/** Modulo 43 over the values of all characters before it (ISO/IEC 16388, annex A). */
function hasCheckCharacter(data: string): boolean {
  let sum = 0;
  for (const character of data.slice(0, -1)) {
    const value = CHARACTERS.indexOf(character);
    if (value === -1) return false;
    sum += value;
  }
  return data.length > 1 && CHARACTERS[sum % 43] === data.at(-1);
}

function withSmallLetters(data: string): string {
  return data.replaceAll(/\+([A-Z])/g, (_, letter: string) => letter.toLowerCase());
}
