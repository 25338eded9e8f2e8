import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { ProgrammerError } from './errors.ts';

/** True for a value a schema takes, and takes as it is. */
export type Checker = (value: unknown) => boolean;

/**
 * A quick check made from a zod schema: true exactly when the schema takes a value and would leave it unchanged. It
 * says nothing about why not. What it does not know how to check quickly, the schema itself checks. Of two million
 * documents of a replica zod takes five seconds, this less than one.
 */
export function checkerOf(schema: z.core.$ZodType): Checker {
  // $ZodTypes is the union of all schemas zod makes; the base type does not tell them apart.
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'string') return stringChecker(schema, def);
  if (def.type === 'number') return numberChecker(schema, def);
  if (def.type === 'array') return arrayChecker(schema, def);
  if (def.type === 'object') return objectChecker(schema, def);
  if (hasChecks(def)) return bySchema(schema);
  // The def of $ZodDiscriminatedUnion, which has this beside $ZodUnion's.
  if ('discriminator' in def) return unionChecker(schema, def as z.core.$ZodDiscriminatedUnionDef);
  if (def.type === 'literal') {
    const values = new Set<unknown>(def.values);
    return (value) => values.has(value);
  }
  if (def.type === 'enum') {
    const values = new Set<unknown>(Object.values(def.entries));
    return (value) => values.has(value);
  }
  if (def.type === 'nullable') {
    const inner = checkerOf(def.innerType);
    return (value) => value === null || inner(value);
  }
  if (def.type === 'optional') {
    const inner = checkerOf(def.innerType);
    return (value) => value === undefined || inner(value);
  }
  return bySchema(schema);
}

/** The schema's own word. */
function bySchema(schema: z.core.$ZodType): Checker {
  // Every schema made with `z` has it; the base type is the one of all of zod's variants.
  const own = schema as z.ZodType;
  return (value) => {
    const result = own.safeParse(value);
    return result.success && isDeepStrictEqual(result.data, value);
  };
}

/** A refinement that answers at once. */
function refinement(check: object): Checker | undefined {
  // The defs of $ZodChecks, told apart by `check`; only what `refine` makes has a function.
  const known = check as z.core.$ZodChecks['_zod']['def'] | z.core.$ZodCustomDef;
  if (known.check !== 'custom' || !('fn' in known)) return undefined;
  return (value) => {
    const said = known.fn(value);
    if (said instanceof Promise)
      throw new ProgrammerError('a schema that answers later cannot be checked at once');
    return Boolean(said);
  };
}

function hasChecks(def: z.core.$ZodTypeDef): boolean {
  return (def.checks?.length ?? 0) > 0;
}

function stringChecker(schema: z.core.$ZodType, def: z.core.$ZodStringDef): Checker {
  const tests: ((text: string) => boolean)[] = [];
  const own = 'format' in def ? [def] : [];
  for (const check of [...own, ...(def.checks ?? []).map(({ _zod }) => _zod.def)]) {
    const test = stringTest(check);
    if (test === undefined) return bySchema(schema);
    tests.push(test);
  }
  return (value) => typeof value === 'string' && !def.coerce && tests.every((test) => test(value));
}

function stringTest(check: object): ((text: string) => boolean) | undefined {
  // The defs of $ZodChecks, told apart by `check`.
  const known = check as z.core.$ZodChecks['_zod']['def'];
  if (known.check === 'string_format') {
    const { format, pattern } = known;
    if ((format !== 'regex' && format !== 'uuid') || pattern === undefined || pattern.global)
      return undefined;
    return (text) => pattern.test(text);
  }
  if (known.check === 'min_length') return (text) => text.length >= known.minimum;
  if (known.check === 'max_length') return (text) => text.length <= known.maximum;
  if (known.check === 'overwrite') return (text) => known.tx(text) === text;
  return refinement(check);
}

function numberChecker(schema: z.core.$ZodType, def: z.core.$ZodNumberDef): Checker {
  let min = -Infinity;
  let max = Infinity;
  for (const { _zod } of def.checks ?? []) {
    // As above.
    const known = _zod.def as z.core.$ZodChecks['_zod']['def'];
    if (known.check === 'greater_than' && known.inclusive && typeof known.value === 'number') {
      min = Math.max(min, known.value);
    } else if (known.check === 'less_than' && known.inclusive && typeof known.value === 'number') {
      max = Math.min(max, known.value);
    } else return bySchema(schema);
  }
  if (!('format' in def) || def.format !== 'safeint' || def.coerce === true) return bySchema(schema);
  return (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
}

function arrayChecker(schema: z.core.$ZodType, def: z.core.$ZodArrayDef): Checker {
  const element = checkerOf(def.element);
  let min = 0;
  let max = Infinity;
  for (const { _zod } of def.checks ?? []) {
    // As above.
    const known = _zod.def as z.core.$ZodChecks['_zod']['def'];
    if (known.check === 'min_length') min = Math.max(min, known.minimum);
    else if (known.check === 'max_length') max = Math.min(max, known.maximum);
    else return bySchema(schema);
  }
  return (value) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) return false;
    // `every` would pass over what is missing in it.
    for (let i = 0; i < value.length; i += 1) if (!element(value[i])) return false;
    return true;
  };
}

function objectChecker(schema: z.core.$ZodType, def: z.core.$ZodObjectDef): Checker {
  // The catchall of strict objects takes nothing.
  const isStrict = (def.catchall as z.core.$ZodTypes | undefined)?._zod.def.type === 'never';
  const refinements = (def.checks ?? []).map(({ _zod }) => refinement(_zod.def));
  if (!isStrict || refinements.includes(undefined)) return bySchema(schema);
  const fields = new Map(Object.entries(def.shape).map(([name, field]) => [name, checkerOf(field)]));
  const required = [...fields].flatMap(([name, check]) => (check(undefined) ? [] : [name]));
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    for (const name of Object.keys(value)) {
      const check = fields.get(name);
      if (check === undefined || !check(Reflect.get(value, name))) return false;
    }
    return (
      required.every((name) => Object.hasOwn(value, name)) &&
      refinements.every((fits) => fits?.(value) !== false)
    );
  };
}

function unionChecker(schema: z.core.$ZodType, def: z.core.$ZodDiscriminatedUnionDef): Checker {
  const { discriminator, options, unionFallback = false } = def;
  const byValue = new Map<unknown, Checker>();
  for (const option of options) {
    // $ZodTypes is the union of all schemas zod makes.
    const own = (option as z.core.$ZodTypes)._zod.def;
    const told = own.type === 'object' ? own.shape[discriminator] : undefined;
    const tag = (told as z.core.$ZodTypes | undefined)?._zod.def;
    if (unionFallback || tag?.type !== 'literal' || hasChecks(tag)) return bySchema(schema);
    const check = checkerOf(option as z.core.$ZodType);
    for (const value of tag.values) byValue.set(value, check);
  }
  return (value) => {
    if (typeof value !== 'object' || value === null) return false;
    return byValue.get(Reflect.get(value, discriminator))?.(value) ?? false;
  };
}
