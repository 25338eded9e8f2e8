import { NULL_VALUE, encodeScalar } from './value-encoding.ts';
import type { SqlValue } from './value-encoding.ts';
import { fixedColumn } from './schema-tables.ts';
import type { TableLayout } from './schema-tables.ts';

/**
 * A condition in SQL. `exact` says that it keeps the very documents the selector matches; otherwise it keeps those
 * and possibly more, and RxDB's own matcher decides.
 */
export interface Condition {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
  readonly exact: boolean;
}

const EVERYTHING: Condition = { sql: '1', parameters: [], exact: true };
const NOTHING: Condition = { sql: '0', parameters: [], exact: true };
/** Keeps every document and leaves the decision to the matcher. */
const UNDECIDED: Condition = { sql: '1', parameters: [], exact: false };

/** More values in an `$in` are left to the matcher: SQLite takes 32,766 parameters in a statement. */
const IN_VALUES_MAX = 10_000;

const NEVER = Symbol('never');

/** Mango's selector as a condition over the columns of a table. Semantics are those of mingo 7, which RxDB matches with. */
export function selectorToSql(layout: TableLayout, selector: unknown): Condition {
  if (!isPlainObject(selector)) return UNDECIDED;
  const parts: Condition[] = [];
  for (const [field, matcher] of Object.entries(selector)) {
    if (field === '$and' || field === '$or' || field === '$nor') {
      parts.push(logical(layout, field, matcher));
    } else if (field.startsWith('$')) {
      parts.push(UNDECIDED);
    } else {
      parts.push(fieldToSql(layout, field, matcher));
    }
  }
  return all(parts);
}

/** The ORDER BY of a Mango sort, or undefined when SQL cannot give exactly this order. */
export function sortToSql(
  layout: TableLayout,
  sort: readonly Readonly<Record<string, unknown>>[],
): string | undefined {
  const terms: string[] = [];
  for (const part of sort) {
    const entry = Object.entries(part)[0];
    if (entry === undefined) return undefined;
    const [path, direction] = entry;
    const column = columnOf(layout, path);
    if (column === undefined) return undefined;
    terms.push(direction === 'desc' ? `${column.name} DESC` : column.name);
  }
  if (!sort.some((part) => Object.hasOwn(part, layout.primaryPath))) terms.push('id');
  return terms.join(', ');
}

function logical(layout: TableLayout, operator: '$and' | '$or' | '$nor', operand: unknown): Condition {
  if (!Array.isArray(operand) || operand.length === 0) return UNDECIDED;
  const parts = operand.map((selector: unknown) => selectorToSql(layout, selector));
  if (operator === '$and') return all(parts);
  return operator === '$or' ? any(parts) : not(any(parts));
}

function fieldToSql(layout: TableLayout, path: string, matcher: unknown): Condition {
  const column = columnOf(layout, path);
  if (column === undefined) return UNDECIDED;
  // The shorthand `{ path: value }`.
  if (!isPlainObject(matcher)) return compare(column, path, '$eq', matcher);
  const entries = Object.entries(matcher);
  if (entries.length === 0 || entries.some(([operator]) => !operator.startsWith('$'))) return UNDECIDED;
  return all(
    entries.map(([operator, operand]) => {
      if (operator !== '$not') return compare(column, path, operator, operand);
      return isPlainObject(operand) ? not(fieldToSql(layout, path, operand)) : UNDECIDED;
    }),
  );
}

/** What a column can hold decides which guards a comparison needs. */
interface Column {
  readonly name: string;
  readonly holds: 'text' | 'number' | 'boolean' | 'anything';
}

function columnOf(layout: TableLayout, path: string): Column | undefined {
  switch (fixedColumn(path, layout.primaryPath)) {
    case 'id':
      return { name: 'id', holds: 'text' };
    case 'lwt':
      return { name: 'lwt', holds: 'number' };
    case 'deleted':
      return { name: 'deleted', holds: 'boolean' };
    case undefined: {
      const column = layout.columns.find((candidate) => candidate.path === path);
      if (column === undefined || layout.opaquePaths.has(path)) return undefined;
      return { name: column.name, holds: 'anything' };
    }
  }
}

function compare(column: Column, path: string, operator: string, operand: unknown): Condition {
  switch (operator) {
    case '$eq':
      return equals(column, operand);
    case '$ne':
      return not(equals(column, operand));
    case '$in':
      return oneOf(column, operand);
    case '$nin':
      return not(oneOf(column, operand));
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return range(column, operator, operand);
    case '$exists':
      return exists(column, path, operand);
    default:
      return UNDECIDED;
  }
}

/** null and undefined equal each other, as in mingo's `$eq`. */
function equals(column: Column, operand: unknown): Condition {
  if (operand === null || operand === undefined) {
    return column.holds === 'anything'
      ? exactly(`(${column.name} IS NULL OR ${column.name} = ?)`, NULL_VALUE)
      : NOTHING;
  }
  const value = parameter(column, operand);
  if (value === undefined) return UNDECIDED;
  if (value === NEVER) return NOTHING;
  // The planner looks at what a parameter holds where a partial index asks for that column, and then plans anew whenever
  // the statement is bound again: three times the cost of a lookup. What it can read in the text it reads once.
  if (column.holds === 'boolean') return exactly(`${column.name} = ${Number(value)}`);
  return exactly(`${column.name} = ?`, value);
}

function oneOf(column: Column, operand: unknown): Condition {
  if (!Array.isArray(operand) || operand.length > IN_VALUES_MAX) return UNDECIDED;
  const values: SqlValue[] = [];
  let missing = false;
  for (const item of operand as readonly unknown[]) {
    // mingo lets null match what is missing, and an undefined in the list match nothing.
    if (item === undefined) continue;
    if (item === null) {
      missing = column.holds === 'anything';
      if (missing) values.push(NULL_VALUE);
      continue;
    }
    const value = parameter(column, item);
    if (value === undefined) return UNDECIDED;
    if (value !== NEVER) values.push(value);
  }
  if (values.length === 0) return NOTHING;
  const list = `${column.name} IN (${values.map(() => '?').join(',')})`;
  return exactly(missing ? `(${column.name} IS NULL OR ${list})` : list, ...values);
}

/** Only values of the operand's own type compare; the guard on the open end keeps the other types out. */
function range(column: Column, operator: '$gt' | '$gte' | '$lt' | '$lte', operand: unknown): Condition {
  const sign = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' }[operator];
  const upward = operator === '$gt' || operator === '$gte';
  if (operand === undefined) return UNDECIDED;
  if (operand === null) {
    if (column.holds !== 'anything' || operator === '$gt' || operator === '$lt') return NOTHING;
    return exactly(`${column.name} = ?`, NULL_VALUE);
  }
  const value = parameter(column, operand);
  if (value === undefined) return UNDECIDED;
  if (value === NEVER) return NOTHING;
  const comparison = `${column.name} ${sign} ?`;
  if (column.holds !== 'anything') return exactly(comparison, value);
  if (typeof operand === 'number') {
    return upward
      ? exactly(`(${comparison} AND ${column.name} < '')`, value)
      : exactly(`(${comparison} AND ${column.name} > ?)`, value, NULL_VALUE);
  }
  if (typeof operand === 'string') {
    return upward
      ? exactly(`(${comparison} AND ${column.name} < x'')`, value)
      : exactly(`(${comparison} AND ${column.name} >= '')`, value);
  }
  return upward ? exactly(comparison, value) : exactly(`(${comparison} AND ${column.name} >= x'02')`, value);
}

function exists(column: Column, path: string, operand: unknown): Condition {
  // Below a nested path mingo also asks what the parent is.
  if (typeof operand !== 'boolean' || path.includes('.')) return UNDECIDED;
  if (column.holds !== 'anything') return operand ? EVERYTHING : NOTHING;
  return exactly(`${column.name} IS ${operand ? 'NOT ' : ''}NULL`);
}

/** The operand as a parameter; NEVER when this column cannot hold its type, undefined when SQL cannot compare it. */
function parameter(column: Column, operand: unknown): SqlValue | typeof NEVER | undefined {
  const value = encodeScalar(operand);
  if (value === undefined) return undefined;
  switch (column.holds) {
    case 'anything':
      return value;
    case 'text':
      return typeof operand === 'string' ? value : NEVER;
    case 'number':
      return typeof operand === 'number' ? value : NEVER;
    case 'boolean':
      return typeof operand === 'boolean' ? Number(operand) : NEVER;
  }
}

function exactly(sql: string, ...parameters: SqlValue[]): Condition {
  return { sql, parameters, exact: true };
}

function all(parts: readonly Condition[]): Condition {
  const said = parts.filter(({ sql }) => sql !== '1');
  return {
    sql: said.length === 0 ? '1' : said.map(({ sql }) => sql).join(' AND '),
    parameters: said.flatMap(({ parameters }) => parameters),
    exact: parts.every(({ exact }) => exact),
  };
}

function any(parts: readonly Condition[]): Condition {
  return {
    sql: `(${parts.map(({ sql }) => `(${sql})`).join(' OR ')})`,
    parameters: parts.flatMap(({ parameters }) => parameters),
    exact: parts.every(({ exact }) => exact),
  };
}

/** What keeps too much keeps too little when turned round, so only an exact condition can be negated. */
function not(part: Condition): Condition {
  // A comparison with NULL is neither true nor false in SQL; IS NOT TRUE makes it one of two.
  return part.exact ? { ...part, sql: `((${part.sql}) IS NOT TRUE)` } : UNDECIDED;
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !(value instanceof RegExp) && !(value instanceof Date);
}
