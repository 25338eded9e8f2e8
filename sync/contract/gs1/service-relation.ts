import { fitTogether, valueFault } from './element-faults.ts';
import type { AiValue } from './element-faults.ts';
import { readElementString } from './element-string.ts';
import { gs1Elements } from './elements.ts';

/** What GS1 elements say of who somebody is. */
export type ServiceRelation =
  /** AI 8018: the customer. */
  | { readonly kind: 'recipient'; readonly gsrn: string }
  /** AI 8018 with a wrong check digit: what was read. */
  | { readonly kind: 'check-digit'; readonly misread: string }
  /** Nothing: no such element, the one of who serves (8017), or elements that contradict each other. */
  | { readonly kind: 'none' };

/** GS1 application identifier of a GSRN – recipient: the customer, where 8017 is who serves them. */
const RECIPIENT = '8018';

/**
 * Who GS1 elements identify. One element that is not as its format says makes all of them doubtful: a number may have
 * begun in the middle of another value.
 */
export function serviceRelation(elements: readonly AiValue[]): ServiceRelation {
  const recipient = elements.find(({ ai }) => ai === RECIPIENT);
  if (recipient === undefined || !fitTogether(elements)) return { kind: 'none' };
  const faults = elements.filter((element) => valueFault(element) !== undefined);
  if (faults.length === 0) return { kind: 'recipient', gsrn: recipient.value };
  const isCheckDigit = faults.every(({ ai }) => ai === RECIPIENT) && valueFault(recipient) === 'check-digit';
  return isCheckDigit ? { kind: 'check-digit', misread: recipient.value } : { kind: 'none' };
}

/** Who an element string identifies: nobody where it is none to its end, a wrong check digit apart. */
export function serviceRelationIn(text: string): ServiceRelation {
  const read = readElementString(text);
  if (read.ok) return serviceRelation(read.elements);
  return read.why === 'check-digit' ? serviceRelation(gs1Elements(text)) : { kind: 'none' };
}

/** Whether elements are those of a coupon: a GCN (255), its points (8111), or a coupon of North America (8110, 8112). */
export function isCoupon(elements: readonly AiValue[]): boolean {
  return elements.some((element) => couponKeys.has(element.ai) && valueFault(element) === undefined);
}

const couponKeys: ReadonlySet<string> = new Set(['255', '8110', '8111', '8112']);
