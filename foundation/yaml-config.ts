import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { StammkundeError } from './errors.ts';

/** A configuration nobody changes after it was read. */
export type Frozen<T> = T extends (infer E)[]
  ? readonly Frozen<E>[]
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/**
 * The configuration in a YAML 1.2 file, checked against `schema` and frozen. All problems are reported at once, one a
 * line, each with its path and what was expected; values are not repeated, for they may be secret.
 * @throws StammkundeError CFG_UNREADABLE · CFG_INVALID
 */
export function readYamlConfig<T extends z.ZodType>(path: string, schema: T): Frozen<z.infer<T>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new StammkundeError('CFG_UNREADABLE', `${path} cannot be read`, { cause: error });
  }
  return parseYamlConfig(text, schema, path);
}

/**
 * Like {@link readYamlConfig}, for a text at hand; `name` is how messages call it.
 * @throws StammkundeError CFG_INVALID
 */
export function parseYamlConfig<T extends z.ZodType>(
  text: string,
  schema: T,
  name: string,
): Frozen<z.infer<T>> {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true });
  if (document.errors.length > 0) {
    // Only the first line of a YAML error: the rest quotes the file, which may hold a secret.
    throw invalid(
      name,
      document.errors.map((error) => error.message.split('\n')[0] ?? error.code),
    );
  }
  const result = schema.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {});
  if (!result.success) throw invalid(name, result.error.issues.flatMap(problemsOf));
  // freezing changes nothing but what the type then forbids
  return deepFreeze(result.data) as Frozen<z.infer<T>>;
}

function invalid(name: string, problems: readonly string[]): StammkundeError {
  return new StammkundeError(
    'CFG_INVALID',
    `${name} is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}\n`,
  );
}

function problemsOf(issue: z.core.$ZodIssue): readonly string[] {
  const path = issue.path.map(String);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => `${[...path, key].join('.')}: there is no such setting`);
    case 'invalid_union':
      return [`${path.join('.') || '(top)'}: ${unionProblem(issue)}`];
    case 'invalid_type':
    case 'too_big':
    case 'too_small':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'invalid_key':
    case 'invalid_element':
    case 'invalid_value':
    case 'custom':
      return [`${path.join('.') || '(top)'}: ${issue.message}`];
  }
}

/** What each form of a union would need, so that the reader can choose one. */
function unionProblem(issue: z.core.$ZodIssueInvalidUnion): string {
  const forms = issue.errors.map((errors) =>
    errors
      .flatMap(problemsOf)
      .map((problem) => problem.replace(/^\(top\): /, ''))
      .join(', '),
  );
  return forms.length === 0 ? issue.message : `expected one of: ${forms.join(' | ')}`;
}

/** The value, which nobody can change any more, however deep. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
