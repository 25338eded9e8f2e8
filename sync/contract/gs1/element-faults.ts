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

/** What is wrong between elements. */
export type AssociationFault =
  /** An identifier with two values. */
  | 'repeated'
  /** An element that another one rules out. */
  | 'excluded'
  /** An element without another one that it describes. */
  | 'missing';

/**
 * What keeps elements from standing together as far as service relation numbers go, and the index of the element that
 * does: 8017 and 8018 exclude each other, what describes a relation (8019, 7241, 7242, 725n) needs one of them, and no
 * identifier has two values. Source: the associations of the Syntax Dictionary.
 */
export function associationFault(
  elements: readonly AiValue[],
): { readonly index: number; readonly why: AssociationFault } | undefined {
  const values = new Map<string, string>();
  for (const [index, { ai, value }] of elements.entries()) {
    if ((values.get(ai) ?? value) !== value) return { index, why: 'repeated' };
    values.set(ai, value);
    const excludes = exclusions.get(ai);
    if (excludes !== undefined && values.has(excludes)) return { index, why: 'excluded' };
  }
  const index = elements.findIndex(({ ai }) => requirements.get(ai)?.every((needed) => !values.has(needed)));
  return index === -1 ? undefined : { index, why: 'missing' };
}

/** Whether {@link associationFault} finds nothing. */
export function fitTogether(elements: readonly AiValue[]): boolean {
  return associationFault(elements) === undefined;
}

const exclusions: ReadonlyMap<string, string> = new Map([
  ['8017', '8018'],
  ['8018', '8017'],
]);

/** One of these has to be there. */
const requirements: ReadonlyMap<string, readonly string[]> = new Map([
  ...eachNeeds(['8019', '7241', '7242', '7253', '7254', '7255', '7256'], ['8017', '8018']),
  ...eachNeeds(['7250', '7251', '7252', '7257', '7258', '7259'], ['8018']),
]);

function eachNeeds(
  list: readonly string[],
  needed: readonly string[],
): (readonly [string, readonly string[]])[] {
  return list.map((ai) => [ai, needed]);
}
