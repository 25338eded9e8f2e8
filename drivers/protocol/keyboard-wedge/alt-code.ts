/**
 * Characters typed as a number on the keypad with Alt held, the way Windows takes them: with a leading zero the number
 * is one of Windows-1252, without one of code page 850 (what Western European Windows calls OEM), above 255 a Unicode
 * code point. Numbers below 32 are the control characters scanners mean by them (Alt+0029 and Alt+29: GS), although
 * Windows shows code page 850's pictures for the latter.
 *
 * @param digits as typed, leading zeros included
 * @returns the character; undefined where the number is none
 */
export function altCodeCharacter(digits: string): string | undefined {
  const code = Number.parseInt(digits, 10);
  if (!(code > 0)) return undefined;
  if (code < 0x80) return String.fromCharCode(code);
  if (code <= 0xff) {
    return digits.startsWith('0')
      ? windows1252.decode(Uint8Array.of(code))
      : CODE_PAGE_850.charAt(code - 0x80);
  }
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
  return String.fromCodePoint(code);
}

/** Longer numbers are none of any character. */
export const ALT_CODE_DIGITS_MAX = 8;

const windows1252 = new TextDecoder('windows-1252');

/** 0x80 to 0xff (Unicode Consortium, MAPPINGS/VENDORS/MICSFT/PC/CP850.TXT). */
const CODE_PAGE_850 =
  'ÇüéâäàåçêëèïîìÄÅ' +
  'ÉæÆôöòûùÿÖÜø£Ø×ƒ' +
  'áíóúñÑªº¿®¬½¼¡«»' +
  '░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐' +
  '└┴┬├─┼ãÃ╚╔╩╦╠═╬¤' +
  'ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀' +
  'ÓßÔÒõÕµþÞÚÛÙýÝ¯´' +
  '\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0';
