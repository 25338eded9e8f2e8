import type { Symbology } from '../../symbology/symbology.ts';

/** What a scanner says when it answers a command: the data is its reply, nothing that was scanned. */
export const REPLY_CODE_ID = 0x3f;

/** The symbology of a Honeywell Code ID (symbology chart of the Honeywell user guides); undefined for any other byte. */
export function symbologyOfCodeId(codeId: number): Symbology | undefined {
  return table.get(String.fromCharCode(codeId));
}

const table: ReadonlyMap<string, Symbology> = new Map<string, Symbology>([
  ['<', 'code-39'], // Code 32 Pharmaceutical
  ['D', 'ean-8'],
  ['E', 'upc-e'],
  ['H', 'han-xin'],
  ['I', 'gs1-128'],
  ['R', 'pdf417'], // MicroPDF417
  ['V', 'codablock'],
  ['a', 'codabar'],
  ['b', 'code-39'],
  ['c', 'upc-a'],
  ['d', 'ean-13'],
  ['e', 'itf'],
  ['f', 'straight-2of5'],
  ['g', 'msi'],
  ['h', 'code-11'],
  ['i', 'code-93'],
  ['j', 'code-128'],
  ['l', 'code-49'],
  ['q', 'codablock'],
  ['r', 'pdf417'],
  ['s', 'qr'],
  ['w', 'data-matrix'],
  ['x', 'maxicode'],
  ['y', 'gs1-databar'],
  ['z', 'aztec'],
  ['{', 'gs1-databar'],
  ['}', 'gs1-databar'],
]);
