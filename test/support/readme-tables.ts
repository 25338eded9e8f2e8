import { z } from 'zod';
import { errorCodes } from '../../foundation/error-codes.ts';

/** A page with each `<!-- name -->…<!-- /name -->` block replaced by the generated one. */
export function withGenerated(page: string, blocks: Readonly<Record<string, string>>): string {
  return Object.entries(blocks).reduce((text, [name, block]) => {
    const pattern = new RegExp(`<!-- ${name} -->[\\s\\S]*?<!-- /${name} -->`);
    if (!pattern.test(text)) throw new Error(`the page has no block named ${name}`);
    return text.replace(pattern, () => `<!-- ${name} -->\n\n${block}\n\n<!-- /${name} -->`);
  }, page);
}

export function errorCodeTable(): string {
  const rows = Object.entries(errorCodes).map(([code, [cause, remedy]]) => [`\`${code}\``, cause, remedy]);
  return table(['code', 'cause', 'what to do'], rows);
}

/**
 * One row a setting: path, kind, default, meaning; taken from the schema's own descriptions.
 * @param leaveOut settings below these have a table of their own elsewhere
 */
export function settingsTable(schema: z.ZodType, leaveOut: readonly string[] = []): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const rows = settings('', json).filter(
    ([name = '']) => !leaveOut.some((each) => name.startsWith(`\`${each}`)),
  );
  return table(['setting', 'kind', 'default', 'meaning'], rows);
}

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly const?: string | number | boolean;
  readonly enum?: readonly (string | number | boolean)[];
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

function settings(path: string, schema: JsonSchema): string[][] {
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms !== undefined && forms.some((form) => form.properties !== undefined)) {
    return merged([...plainForms(path, forms), ...forms.flatMap((form) => settings(path, form))]);
  }
  if (
    schema.items?.properties !== undefined ||
    schema.items?.oneOf !== undefined ||
    schema.items?.anyOf !== undefined
  ) {
    return settings(`${path}[]`, schema.items);
  }
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const full = path === '' ? name : `${path}.${name}`;
    const fallback =
      'default' in property
        ? `\`${JSON.stringify(property.default)}\``
        : schema.required?.includes(name) === true
          ? 'required'
          : '';
    const meaning = property.description ?? '';
    const inner = settings(full, property);
    if (inner.length === 0) return [[`\`${full}\``, kind(property), fallback, meaning]];
    const itself = [`\`${full}\``, `\`${full}[]\``];
    if (!itself.includes(inner[0]?.[0] ?? '')) return inner;
    // Its plain form is said where the setting is described; its other form is never required beside it.
    return inner.map(([path = '', form = '', needed = '', text = '']) =>
      itself.includes(path) ? [path, form, fallback, meaning] : [path, form, needed && '', text],
    );
  });
}

/** A row for the setting itself, where it may be a plain value instead of settings of its own. */
function plainForms(path: string, forms: readonly JsonSchema[]): string[][] {
  const plain = forms.filter((form) => form.properties === undefined && form.items === undefined);
  return plain.length === 0 ? [] : [[`\`${path}\``, plain.map(kind).join(' or '), '', '']];
}

/** One row for each setting of several forms; where the forms differ in kind or meaning, all of them are named. */
function merged(rows: readonly string[][]): string[][] {
  const byName = Map.groupBy(rows, ([name = '']) => name);
  return [...byName.values()].map((same) =>
    (same[0] ?? []).map((_cell, column) =>
      [...new Set(same.map((row) => row[column] ?? ''))].join(column === 3 ? ' / ' : ' · '),
    ),
  );
}

function kind(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' · ');
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms !== undefined) return forms.map(kind).join(' or ');
  if (schema.type === 'array') return `list of ${kind(schema.items ?? {})}`;
  return String(schema.type ?? 'any');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
