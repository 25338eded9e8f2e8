import { aiEntry } from './application-identifiers.ts';
import type { AiEntry } from './application-identifiers.ts';
import { associationFault, valueFault } from './element-faults.ts';
import type { AssociationFault, ValueFault } from './element-faults.ts';
import { GS } from './elements.ts';
import type { Gs1Element } from './elements.ts';

/** What keeps a text from being an element string. */
export type ElementStringFault =
  | 'empty'
  | 'too-long'
  /** A separator where an application identifier should be. */
  | 'separator'
  | ValueFault
  | AssociationFault;

/** An element string, or what is wrong with it first, and where in the text. */
export type ElementString =
  | { readonly ok: true; readonly elements: readonly Gs1Element[] }
  | { readonly ok: false; readonly at: number; readonly why: ElementStringFault };

/** Characters. More than any payload a till looks into. */
const TEXT_MAX = 512;

/**
 * Reads a GS1 element string as scanners send it, without AIM identifier, FNC1 as GS: every identifier assigned, every
 * value as its format and check digit say, and no two elements that exclude each other. One GS is let pass before the
 * first element, after one of predefined length and at the end, where some scanners and label programs put it.
 *
 * Of the associations only those of service relations are asked for, see {@link associationFault}: the others hold for
 * all symbols of an item taken together (Syntax Dictionary), of which this may be one.
 *
 * Use `gs1Elements` to split what need not be right. Source: GS1 General Specifications, 7.8.
 */
export function readElementString(text: string): ElementString {
  if (text.length > TEXT_MAX) return { ok: false, at: TEXT_MAX, why: 'too-long' };
  const elements: Gs1Element[] = [];
  let from = text.startsWith(GS) ? GS.length : 0;
  if (from === text.length) return { ok: false, at: from, why: 'empty' };
  while (from < text.length) {
    if (text[from] === GS) return { ok: false, at: from, why: 'separator' };
    const entry = entryAt(text, from);
    if (entry === undefined) return { ok: false, at: from, why: 'unassigned' };
    const element = elementAt(text, from, entry);
    const why = valueFault(element);
    if (why !== undefined) return { ok: false, at: from, why };
    elements.push(element);
    from = text[element.to] === GS ? element.to + GS.length : element.to;
  }
  const fault = associationFault(elements);
  return fault === undefined
    ? { ok: true, elements }
    : { ok: false, at: elements[fault.index]?.from ?? 0, why: fault.why };
}

/** No identifier is the beginning of another. */
function entryAt(text: string, from: number): AiEntry | undefined {
  for (const digits of AI_DIGITS) {
    const entry = aiEntry(text.slice(from, from + digits));
    if (entry !== undefined) return entry;
  }
  return undefined;
}

const AI_DIGITS = [2, 3, 4] as const;

function elementAt(text: string, from: number, { ai, isPredefined, components }: AiEntry): Gs1Element {
  const start = from + ai.length;
  const separator = text.indexOf(GS, start);
  const end = separator === -1 ? text.length : separator;
  // A separator within a predefined length is in no character set, and so a fault of the value.
  const to = isPredefined ? components.reduce((sum, { max }) => sum + max, start) : end;
  return { ai, value: text.slice(start, to), from, to };
}
