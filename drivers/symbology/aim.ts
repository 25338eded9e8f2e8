import type { Symbology } from './symbology.ts';

/** What the head of a frame says about the rest. */
export type AimReading =
  | {
      readonly kind: 'data';
      readonly symbology: Symbology;
      /** Three characters, such as `]E0`. */
      readonly aim: string;
      /** Everything after the identifier; a view, not a copy. */
      readonly payload: Uint8Array;
    }
  /** The scanner answers a command or echoes a menu setting (Honeywell `]Z6`): not something that was scanned. */
  | { readonly kind: 'reply'; readonly aim: string }
  | { readonly kind: 'none' };

/**
 * Reads an AIM symbology identifier (ISO/IEC 15424): `]`, a code character, a modifier. Anything else, also `]` with a
 * code character that is not assigned, is `none`, and the frame is data from its first byte.
 *
 * Sources: ISO/IEC 15424; gs1/gs1-syntax-engine src/c-lib/scandata.c; Datalogic, Zebra LS4208 and Honeywell manuals.
 */
export function readAim(frame: Uint8Array): AimReading {
  const [flag, code, modifier] = frame;
  if (flag !== RIGHT_BRACKET || code === undefined || modifier === undefined) return { kind: 'none' };
  if (!isAlphanumeric(modifier)) return { kind: 'none' };
  const codeCharacter = String.fromCharCode(code);
  const modifierCharacter = String.fromCharCode(modifier);
  const rule = table.get(codeCharacter);
  if (rule === undefined) return { kind: 'none' };
  const aim = `]${codeCharacter}${modifierCharacter}`;
  if (aim === ']Z6') return { kind: 'reply', aim };
  const payload = frame.subarray(3);
  const symbology = typeof rule === 'string' ? rule : rule(modifierCharacter, payload.length);
  return { kind: 'data', symbology, aim, payload };
}

const RIGHT_BRACKET = 0x5d;

function isAlphanumeric(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

type AimRule = Symbology | ((modifier: string, payloadLength: number) => Symbology);

const table: ReadonlyMap<string, AimRule> = new Map<string, AimRule>([
  ['A', 'code-39'],
  ['B', 'telepen'],
  ['C', (modifier) => (modifier === '1' ? 'gs1-128' : modifier === '4' ? 'isbt-128' : 'code-128')],
  // UPC-A and UPC-E are sent as EAN-13 with leading zeros once identifiers are on; some firmware keeps 12 or 8 digits.
  ['E', eanUpc],
  ['F', 'codabar'],
  ['G', 'code-93'],
  ['H', 'code-11'],
  ['I', 'itf'],
  ['J', (modifier) => (modifier === '1' || modifier === '4' ? 'gs1-dotcode' : 'dotcode')],
  ['K', 'code-16k'],
  // ]L3: MicroPDF417 that stands for a GS1-128.
  ['L', (modifier) => (modifier === '3' ? 'gs1-128' : 'pdf417')],
  ['M', 'msi'],
  ['O', 'codablock'],
  ['P', 'plessey'],
  ['Q', (modifier) => (modifier === '3' || modifier === '4' ? 'gs1-qr' : 'qr')],
  ['R', 'straight-2of5'],
  ['S', 'straight-2of5'],
  ['T', 'code-49'],
  ['U', 'maxicode'],
  ['X', (modifier) => zebra.get(modifier) ?? 'unknown'],
  ['Z', 'unknown'],
  ['d', (modifier) => (modifier === '2' || modifier === '5' ? 'gs1-data-matrix' : 'data-matrix')],
  ['e', 'gs1-databar'],
  ['h', 'han-xin'],
  ['o', 'ocr'],
  ['p', 'posicode'],
  // FNC1 first: alone, with ECI, in a structured append, with both (ISO/IEC 15424, annex F).
  ['z', (modifier) => (AZTEC_GS1.has(modifier) ? 'gs1-aztec' : 'aztec')],
]);

const AZTEC_GS1: ReadonlySet<string> = new Set(['1', '4', '7', 'A']);

/** `]X…` is "other": Zebra firmware names its symbologies by the modifier; `]X0` elsewhere says nothing. */
const zebra: ReadonlyMap<string, Symbology> = new Map<string, Symbology>([
  ['9', 'ean-13'],
  ['C', 'ean-8'],
  ['S', 'micro-qr'],
  ['V', 'pdf417'],
  ['g', 'upc-a'],
  ['k', 'upc-e'],
  ['r', 'gs1-databar'],
  ['s', 'gs1-databar'],
  ['t', 'gs1-databar'],
]);

function eanUpc(modifier: string, payloadLength: number): Symbology {
  switch (modifier) {
    case '0':
      return payloadLength === 12 ? 'upc-a' : payloadLength === 8 ? 'upc-e' : 'ean-13';
    case '1':
    case '2':
      return 'ean-addon';
    case '3':
      return 'ean-13-addon';
    case '4':
      return 'ean-8';
    default:
      return 'unknown';
  }
}
