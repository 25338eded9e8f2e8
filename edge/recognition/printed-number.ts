import { gs1CheckDigit } from '../../foundation/check-digit.ts';
import { DIGITAL_LINK } from '../../sync/contract/card-scheme.ts';
import { GS } from '../../sync/contract/gs1/elements.ts';
import type { DigitalLink } from '../../sync/contract/gs1/digital-link.ts';
import type { ServiceRelation } from '../../sync/contract/gs1/service-relation.ts';
import { serviceRelation, serviceRelationIn } from '../../sync/contract/gs1/service-relation.ts';
import type { IdentifierKind } from '../../sync/contract/credential.ts';
import { CODE_39, code39Numbers } from './code-39.ts';

/** A number as card schemes know it, one way a symbol can be read. */
export interface PrintedNumber {
  readonly value: string;
  /** Symbology it is taken to come from. */
  readonly from: string;
  /** Whether the number is all there is to the text, so that a configured range may vouch for it. */
  readonly isWhole: boolean;
  /** Under the application identifier of a GSRN it is one, and elsewhere in a GS1 symbol it is none. */
  readonly kinds: readonly IdentifierKind[];
}

const ANY: readonly IdentifierKind[] = ['card', 'gsrn', 'app'];

/**
 * The ways the text of a symbol can be a number, the one it is as it stands first. Scanners differ in what they send of
 * one and the same card, so that a scheme would have to be configured for each of them:
 *
 * | symbology            | sent by some, and left out by others                                       |
 * | Code 39              | the asterisks that start and stop it; its check character; pairs of        |
 * |                      | characters for small letters                                               |
 * | MSI                  | its check digit, where the AIM identifier says that it is sent             |
 * | Codabar              | the letters that start and stop it, A–D in either case                     |
 * | ITF                  | a leading zero, for it holds pairs of digits                               |
 * | UPC-A, EAN-13        | the zero before 12 digits                                                  |
 * | UPC-E                | its expansion to the 12 digits of UPC-A                                    |
 * | GS1 symbols          | all elements; the customer is in 8018                                      |
 * | GS1 Digital Link     | an address in any two-dimensional code; the customer is in 8018            |
 */
export function printedNumbers(
  text: string,
  symbology: string,
  link: DigitalLink | undefined,
  aim?: string,
): readonly PrintedNumber[] {
  const whole = (value: string, from = symbology): PrintedNumber => ({
    value,
    from,
    isWhole: true,
    kinds: ANY,
  });
  if (symbology.startsWith('gs1-') || (symbology === 'unknown' && looksLikeElements(text))) {
    const gsrn = numberOf(serviceRelationIn(text));
    if (gsrn !== undefined) return [{ value: gsrn, from: symbology, isWhole: false, kinds: ['gsrn'] }];
    return [{ value: text, from: symbology, isWhole: true, kinds: ['card', 'app'] }];
  }
  if (link !== undefined) {
    const gsrn = numberOf(serviceRelation(link.elements));
    return gsrn === undefined ? [] : [{ value: gsrn, from: DIGITAL_LINK, isWhole: false, kinds: ['gsrn'] }];
  }
  const numbers = [whole(text)];
  switch (symbology) {
    case 'code-39':
      numbers.push(...code39Numbers(text, aim).map((value) => whole(value)));
      break;
    case 'msi':
      if (aim === MSI_WITH_CHECK_DIGIT) numbers.push(whole(text.slice(0, -1)));
      break;
    case 'codabar':
      numbers.push(...between(text, CODABAR).map((value) => whole(value)));
      break;
    case 'itf':
      if (EVEN_FROM_ZERO.test(text)) numbers.push(whole(text.slice(1)));
      break;
    case 'ean-13':
      if (/^0[0-9]{12}$/.test(text)) numbers.push(whole(text.slice(1), 'upc-a'));
      break;
    case 'upc-a':
      if (/^[0-9]{12}$/.test(text)) numbers.push(whole(`0${text}`, 'ean-13'));
      break;
    case 'upc-e': {
      const upcA = expandUpcE(text);
      if (upcA !== undefined) numbers.push(whole(upcA, 'upc-a'), whole(`0${upcA}`, 'ean-13'));
      break;
    }
    case 'unknown':
      numbers.push(...[CODE_39, CODABAR].flatMap((form) => between(text, form)).map((value) => whole(value)));
      break;
  }
  return numbers;
}

/** The customer's number, a misread one too: the scheme says that its check digit is wrong. */
function numberOf(relation: ServiceRelation): string | undefined {
  switch (relation.kind) {
    case 'recipient':
      return relation.gsrn;
    case 'check-digit':
      return relation.misread;
    case 'none':
      return undefined;
  }
}

/** ISO/IEC 15424, annex F. */
const MSI_WITH_CHECK_DIGIT = ']M0';
const CODABAR = /^[A-D]([0-9$:/.+-]{1,64})[A-D]$/i;
/** ITF holds an even number of digits; shorter ones begin with a zero that is none of theirs. */
const EVEN_FROM_ZERO = /^0(?:[0-9]{2}){1,31}[0-9]$/;

/** A scanner that names no symbologies sends the element string bare, other elements before or behind it. */
function looksLikeElements(text: string): boolean {
  return (
    BARE_GSRN_ELEMENT.test(text) || (text.includes(GS) && numberOf(serviceRelationIn(text)) !== undefined)
  );
}

const BARE_GSRN_ELEMENT = /^8018[0-9]{18}$/;

function between(text: string, form: RegExp): readonly string[] {
  const inner = form.exec(text)?.[1];
  return inner === undefined ? [] : [inner];
}

/**
 * The 12 digits of UPC-A a UPC-E stands for, or undefined when it is none (GS1 General Specifications, 5.2.2.4.2).
 * @param text 6 digits, or 7 with the number system, or 8 with the check digit too
 */
export function expandUpcE(text: string): string | undefined {
  if (!UPC_E.test(text)) return undefined;
  const system = text.length === 6 ? '0' : text.slice(0, 1);
  const six = text.length === 6 ? text : text.slice(1, 7);
  const check = text.length === 8 ? text.slice(7) : undefined;
  const last = six.charAt(5);
  const body =
    last === '0' || last === '1' || last === '2'
      ? `${six.slice(0, 2)}${last}0000${six.slice(2, 5)}`
      : last === '3'
        ? `${six.slice(0, 3)}00000${six.slice(3, 5)}`
        : last === '4'
          ? `${six.slice(0, 4)}00000${six.charAt(4)}`
          : `${six.slice(0, 5)}0000${last}`;
  const eleven = `${system}${body}`;
  const digit = gs1CheckDigit(eleven);
  return check !== undefined && check !== digit ? undefined : eleven + digit;
}

const UPC_E = /^(?:[01]?[0-9]{6}|[01][0-9]{7})$/;
