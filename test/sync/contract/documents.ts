import fc from 'fast-check';
import { z } from 'zod';
import { replicaCollections } from '../../../sync/contract/replica-documents.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonDocument = { readonly [name: string]: Json };

/** The parts of JSON Schema that the documents' schemas use; what is not among them makes the generator fail. */
const Shape = z.looseObject({
  type: z.enum(['string', 'integer', 'boolean', 'null', 'array', 'object']).optional(),
  const: z.string().optional(),
  enum: z.array(z.string()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  pattern: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  items: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
});

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  // What a separator scheme might trip over.
  fc
    .array(fc.constantFrom('s', '1', ':', '[', ']', '{', '}', 'n', 'i', ';', 'ß', '𝄞', '\uE000'), {
      maxLength: 8,
    })
    .map((parts) => parts.join('')),
);

/** Values that look like those of a schema, made from the schema itself, so that no field can be forgotten. */
function valuesOf(schema: unknown, optional: 'maybe' | 'always'): fc.Arbitrary<Json> {
  const shape = Shape.parse(schema);
  const choices = shape.anyOf ?? shape.oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((choice) => valuesOf(choice, optional)));
  if (shape.const !== undefined) return fc.constant(shape.const);
  if (shape.enum !== undefined) return fc.constantFrom(...shape.enum);
  switch (shape.type) {
    case 'string':
      return shape.pattern === undefined
        ? text
        : fc.oneof(text, fc.stringMatching(new RegExp(shape.pattern)));
    case 'integer':
      return fc.maxSafeInteger();
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valuesOf(shape.items, optional), { maxLength: 4 });
    case 'object': {
      const fields = Object.entries(shape.properties ?? {}).map(
        ([name, field]) => [name, valuesOf(field, optional)] as const,
      );
      const all = Object.fromEntries(fields);
      return optional === 'always' ? fc.record(all) : fc.record(all, { requiredKeys: shape.required ?? [] });
    }
    case undefined:
      throw new Error(`the generator knows no such schema: ${JSON.stringify(schema)}`);
  }
}

/** Documents of a collection; `always` has every optional field in them. */
export function documentsOf(
  collection: ReplicaCollection,
  optional: 'maybe' | 'always' = 'maybe',
): fc.Arbitrary<JsonDocument> {
  const schema = z.toJSONSchema(replicaCollections[collection].document, {
    io: 'output',
    unrepresentable: 'any',
  });
  // The schema of a collection is that of an object.
  return valuesOf(schema, optional) as fc.Arbitrary<JsonDocument>;
}
