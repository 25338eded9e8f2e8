import { hasGs1CheckDigit } from '../../../foundation/check-digit.ts';
import { aiEntry } from './application-identifiers.ts';
import { valueFault } from './element-faults.ts';

/** One element of a Digital Link. */
export interface LinkElement {
  readonly ai: string;
  /** Without percent-encoding; a GTIN in 14 digits. */
  readonly value: string;
  /** Where the value as written begins in the text, and where it ends. */
  readonly from: number;
  readonly to: number;
}

/** A web address laid out as a Digital Link. */
export interface DigitalLink {
  /** The primary key first, then its qualifiers, then what stands in the query. */
  readonly elements: readonly LinkElement[];
}

/** Characters of an address that is looked into. */
const LENGTH_MAX = 2048;
const ELEMENTS_MAX = 32;
/** Scheme, host and port: case does not matter. User names are not of a Digital Link. */
const AUTHORITY = /^https?:\/\/(?:[0-9a-z._-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?\//i;
/** What a URI is written in (RFC 3986). */
const URI = /^[\w.~:/?#[\]@!$&'()*+,;=%-]+$/;

/**
 * Reads a GS1 Digital Link in its uncompressed form (GS1 Digital Link Standard: URI Syntax 1.4, clause 6): any host and
 * path, then `/AI/value` of a primary key and its qualifiers in their order up to the end of the path, then more
 * elements in the query, among other parameters, which are left alone, as is the fragment. Identifiers are numbers: the
 * names they had before 1.3 (`gtin`, `ser`) are none. A GTIN-8, GTIN-12 or GTIN-13 as primary key is filled up to 14
 * digits.
 *
 * Of the values only the primary key is looked at, whose check digit may be wrong, for otherwise any address with
 * numbers in its path would be a link. So a misread number can be told from some other address, and what a doubtful link
 * holds can be searched for card numbers. `valueFault` and `associationFault` tell what is wrong with its elements.
 *
 * Undefined for every other text, compressed forms among them. Takes time in proportion to the length.
 */
export function digitalLinkLayout(text: string): DigitalLink | undefined {
  if (text.length > LENGTH_MAX) return undefined;
  const authority = AUTHORITY.exec(text)?.[0];
  if (authority === undefined || !URI.test(text)) return undefined;
  const hash = text.indexOf('#');
  const end = hash === -1 ? text.length : hash;
  const question = text.indexOf('?');
  const pathEnd = question === -1 || question > end ? end : question;
  const path = readPath(text, authority.length, pathEnd);
  if (path === undefined) return undefined;
  const query = pathEnd === end ? [] : readQuery(text, pathEnd + 1, end);
  return query === undefined || path.length + query.length > ELEMENTS_MAX
    ? undefined
    : { elements: [...path, ...query] };
}

/** A part of the path, without its slashes. */
interface Segment {
  readonly from: number;
  readonly to: number;
}

function readPath(text: string, from: number, to: number): LinkElement[] | undefined {
  const segments = segmentsOf(text, from, text[to - 1] === '/' ? to - 1 : to);
  // Back from the end to the primary key: what stands before it is the resolver's own.
  const elements: LinkElement[] = [];
  for (let i = segments.length - 2; i >= 0 && elements.length < ELEMENTS_MAX; i -= 2) {
    const [name, value] = [segments[i], segments[i + 1]];
    const element = name && value && elementOf(text.slice(name.from, name.to), text, value);
    if (element === undefined) return undefined;
    const qualifiers = aiEntry(element.ai)?.qualifiers;
    if (qualifiers === undefined) {
      elements.unshift(element);
      continue;
    }
    const primary = withWholeGtin(element);
    const given = elements.map(({ ai }) => ai);
    const isInOrder = qualifiers.some((sequence) => isSubsequence(given, sequence));
    const fault = valueFault(primary);
    return isInOrder && (fault === undefined || fault === 'check-digit') ? [primary, ...elements] : undefined;
  }
  return undefined;
}

/** A GTIN with fewer digits than 14 is one only by its check digit: it could be any number. */
function withWholeGtin(element: LinkElement): LinkElement {
  const isShort = element.ai === '01' && SHORT_GTIN.test(element.value) && hasGs1CheckDigit(element.value);
  return isShort ? { ...element, value: element.value.padStart(14, '0') } : element;
}

const SHORT_GTIN = /^(?:[0-9]{8}|[0-9]{12,13})$/;

function readQuery(text: string, from: number, to: number): LinkElement[] | undefined {
  const elements: LinkElement[] = [];
  let start = from;
  for (let i = from; i <= to; i += 1) {
    if (i < to && text[i] !== '&' && text[i] !== ';') continue;
    const equals = text.indexOf('=', start);
    // Parameters whose names are no application identifiers are the resolver's.
    if (equals !== -1 && equals < i && aiEntry(text.slice(start, equals)) !== undefined) {
      const element = elementOf(text.slice(start, equals), text, { from: equals + 1, to: i });
      if (element === undefined) return undefined;
      elements.push(element);
    }
    start = i + 1;
  }
  return elements;
}

function segmentsOf(text: string, from: number, to: number): Segment[] {
  const segments: Segment[] = [];
  let start = from;
  for (let i = from; i <= to; i += 1) {
    if (i < to && text[i] !== '/') continue;
    segments.push({ from: start, to: i });
    start = i + 1;
  }
  return segments;
}

function elementOf(ai: string, text: string, { from, to }: Segment): LinkElement | undefined {
  if (aiEntry(ai) === undefined || from >= to) return undefined;
  const value = decoded(text.slice(from, to));
  return value === undefined ? undefined : { ai, value, from, to };
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

function isSubsequence(given: readonly string[], sequence: readonly string[]): boolean {
  let at = 0;
  for (const each of sequence) if (given[at] === each) at += 1;
  return at === given.length;
}
