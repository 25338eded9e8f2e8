import { GS } from '../../sync/contract/gs1/elements.ts';

/**
 * The payload as text, or undefined when it is empty, no valid UTF-8, or holds control characters other than GS where
 * that can be meant. Nothing is guessed: bytes that are no UTF-8 are not taken for another encoding.
 */
export function textOf(payload: Uint8Array, symbology: string): string | undefined {
  if (payload.length === 0) return undefined;
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return undefined;
  }
  const gsAllowed = mayHoldGs(symbology);
  for (let i = 0; i < text.length; i += 1) {
    if (isControl(text.charCodeAt(i)) && !(gsAllowed && text[i] === GS)) return undefined;
  }
  return text;
}

/**
 * The data of a symbol whose reader sends Extended Channel Interpretations (AIM ITS/04-001): `\nnnnnn` says how what
 * follows is encoded, and a backslash in the data is doubled. Undefined for an encoding that is not read here: a number
 * in it is nobody's.
 */
export function withoutEci(text: string): string | undefined {
  if (!text.includes('\\')) return text;
  let isRead = true;
  const data = text.replaceAll(ECI, (found) => {
    if (found === '\\\\') return '\\';
    isRead &&= READ_AS_UTF8.has(found.slice(1));
    return '';
  });
  return isRead ? data : undefined;
}

/** Whether an AIM identifier says that its data holds Extended Channel Interpretations (ISO/IEC 15424, annex F). */
export function tellsEci(aim: string | undefined): boolean {
  return aim !== undefined && WITH_ECI.has(aim);
}

const WITH_ECI: ReadonlySet<string> = new Set([
  ']Q2',
  ']Q4',
  ']Q6',
  ']d4',
  ']d5',
  ']d6',
  ']L1',
  ']z3',
  ']z4',
  ']z5',
]);
/** A doubled backslash, an interpretation, or a backslash that is neither and makes the whole unreadable. */
const ECI = /\\(?:\\|[0-9]{6}|)/g;
/**
 * ISO 8859-1 (000001, 000003 and the default 000000, 000002), UTF-8 and ASCII. The bytes have been read as UTF-8, which
 * says the same as the first for ASCII; other characters of ISO 8859-1 are no UTF-8 and never come here.
 */
const READ_AS_UTF8: ReadonlySet<string> = new Set([
  '000000',
  '000001',
  '000002',
  '000003',
  '000026',
  '000027',
]);

/** FNC1 ends elements of GS1 symbols, and a scanner that does not name symbologies may be reading one. */
function mayHoldGs(symbology: string): boolean {
  return symbology.startsWith('gs1-') || symbology === 'unknown';
}

/** A byte order mark is kept: products are handed on byte-exact. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** C0, DEL and C1 (ISO/IEC 6429). */
function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}
