import { aiEntry } from './application-identifiers.ts';
import type { AiComponent, CharacterSet } from './application-identifiers.ts';
import { passesLinter } from './value-linters.ts';

/** An application identifier and its value, whatever carried them. */
export interface AiValue {
  readonly ai: string;
  readonly value: string;
}

/** What is wrong with a value: `check-digit` where that alone is. */
export type ValueFault = 'unassigned' | 'format' | 'check-digit' | 'content';

/** What the Syntax Dictionary finds wrong with an element, or undefined. Takes no time worth mentioning. */
export function valueFault({ ai, value }: AiValue): ValueFault | undefined {
  const entry = aiEntry(ai);
  if (entry === undefined) return 'unassigned';
  const parts = componentsOf(value, entry.components);
  if (parts === undefined) return 'format';
  const failed = parts.flatMap(({ component, part }) =>
    component.linters.filter((linter) => !passesLinter(linter, part)),
  );
  if (failed.length === 0) return undefined;
  return failed.every((linter) => linter.startsWith('csum')) ? 'check-digit' : 'content';
}

function componentsOf(
  value: string,
  components: readonly AiComponent[],
): { readonly component: AiComponent; readonly part: string }[] | undefined {
  const parts: { component: AiComponent; part: string }[] = [];
  let from = 0;
  for (const component of components) {
    const part = value.slice(from, from + component.max);
    if (part === '' && component.isOptional) continue;
    if (part.length < component.min || !characterSets[component.characters].test(part)) return undefined;
    parts.push({ component, part });
    from += part.length;
  }
  return from === value.length ? parts : undefined;
}

/** GS1 General Specifications, figures 7.11-1 to 7.11-3. */
const characterSets: Readonly<Record<CharacterSet, RegExp>> = {
  N: /^[0-9]+$/,
  X: /^[!"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+$/,
  Y: /^[#\-/0-9A-Z]+$/,
  Z: /^[\w-]+={0,2}$/,
};

/**
 * Whether elements can stand together as far as service relation numbers go: 8017 and 8018 exclude each other, what
 * describes a relation (8019, 7241, 7242, 725n) needs one of them, and no identifier has two values.
 * Source: the associations of the Syntax Dictionary.
 */
export function fitTogether(elements: readonly AiValue[]): boolean {
  const values = new Map<string, string>();
  for (const { ai, value } of elements) {
    if ((values.get(ai) ?? value) !== value) return false;
    values.set(ai, value);
  }
  const hasProvider = values.has('8017');
  const hasRecipient = values.has('8018');
  if (hasProvider && hasRecipient) return false;
  const isAny = (list: readonly string[]): boolean => list.some((ai) => values.has(ai));
  if (isAny(ofEither) && !hasProvider && !hasRecipient) return false;
  return !isAny(ofRecipient) || hasRecipient;
}

const ofEither = ['8019', '7241', '7242', '7253', '7254', '7255', '7256'];
const ofRecipient = ['7250', '7251', '7252', '7257', '7258', '7259'];
