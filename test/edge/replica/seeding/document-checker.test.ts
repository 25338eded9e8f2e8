// Goal: the quick check of a snapshot's documents and the schema agree on everything.
// Method: documents that fit, with one thing changed at random, and anything JSON can say.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { checkerOf } from '../../../../edge/replica/seeding/document-checker.ts';
import { CredentialDocument, CustomerDocument } from '../../../../sync/contract/replica-documents.ts';

function schemasWord(schema: z.ZodType, value: unknown): boolean {
  const result = schema.safeParse(value);
  return result.success && isDeepStrictEqual(result.data, value);
}

const uuid = fc.oneof(
  { weight: 4, arbitrary: fc.uuid() },
  fc.uuid().map((text) => text.toUpperCase()),
  fc.constantFrom('00000000-0000-0000-0000-000000000000', '0190a6f2-0000-9000-8000-000000000000', 'x'),
);
const whole = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, -0, 1.5, 2 ** 53, 8_640_000_000_000_000, 8_640_000_000_000_001),
);
const index = fc.stringMatching(/^[A-Za-z0-9_-]{42,44}$/);
const publicKey = fc.stringMatching(/^[A-Za-z0-9_-]{42}[AB]$/);

const documents = {
  credential: {
    schema: CredentialDocument,
    fields: fc.record(
      {
        index,
        kind: fc.constantFrom('card', 'gsrn', 'app', 'bankcard', 'other'),
        customerId: fc.oneof(uuid, fc.constant(null)),
        status: fc.constantFrom('active', 'blocked', 'closed'),
        validUntil: fc.oneof(whole, fc.constant(null)),
        publicKey: fc.oneof(publicKey, fc.constant(null)),
      },
      { requiredKeys: ['index', 'kind', 'customerId', 'status', 'validUntil'] },
    ),
  },
  customer: {
    schema: CustomerDocument,
    fields: fc.record({
      id: uuid,
      status: fc.constantFrom('active', 'blocked', 'closed', 'Active'),
      tier: fc.string({ maxLength: 33, unit: 'grapheme' }),
      points: whole,
      pointsAt: whole,
      purposes: fc.array(fc.constantFrom('greeting', 'personal_offers', 'profiling', 'other'), {
        maxLength: 4,
      }),
      greeting: fc.oneof(fc.string({ maxLength: 61, unit: 'grapheme' }), fc.constant(null)),
    }),
  },
};

describe.each(Object.entries(documents))('of a %s', (_name, { schema, fields }) => {
  const check = checkerOf(schema);

  test('the quick check says what the schema says, whatever is wrong', () => {
    const names = Object.keys(schema.shape);
    const spoiled = fc
      .tuple(
        fields,
        fc.constantFrom(...names, 'more', '__proto__', '_deleted'),
        fc.jsonValue(),
        fc.nat({ max: 4 }),
      )
      .map(([document, name, value, how]): unknown => {
        const copy: Record<string, unknown> = { ...document };
        if (how === 0) delete copy[name];
        else if (how === 1)
          Object.defineProperty(copy, name, { value, enumerable: true, configurable: true });
        return copy;
      });
    let fitting = 0;
    fc.assert(
      fc.property(fc.oneof({ weight: 10, arbitrary: spoiled }, fc.jsonValue()), (value) => {
        const expected = schemasWord(schema, value);
        fitting += Number(expected);
        expect(check(value)).toBe(expected);
      }),
      { numRuns: 3_000 },
    );
    expect(fitting).toBeGreaterThan(50);
  });
});

test('what it does not know how to check quickly, the schema itself checks', () => {
  const schemas: readonly z.ZodType[] = [
    z.email(),
    z.string().startsWith('a').max(3),
    z.string().trim(),
    z.number().gt(3),
    z.number(),
    z.int().multipleOf(3),
    z.array(z.int()).min(2),
    z.array(z.int()).max(2),
    z.object({ a: z.int() }),
    z.looseObject({ a: z.int() }),
    z.strictObject({ a: z.int().optional() }).refine((each) => each.a !== 3),
    z.union([z.int(), z.null()]),
    z.literal('a'),
    z.coerce.number(),
    z.strictObject({ a: z.string().default('b') }),
    z
      .int()
      .nullable()
      .refine((each) => each !== 3),
  ];
  const texts = ['', 'a', 'ab', 'abcd', 'a@b.de', ' a ', 'b'];
  const scalars = [0, 2, 3, 3.5, 4, 6, null, true];
  const lists = [[], [1], [1, 2], [1, 2, 3], ['a']];
  const objects = [{}, { a: 1 }, { a: 3 }, { a: 1, b: 2 }, { a: 'x' }, { b: 1 }];
  const values: readonly unknown[] = [...texts, ...scalars, ...lists, ...objects];
  for (const schema of schemas) {
    const check = checkerOf(schema);
    for (const value of values) expect([value, check(value)]).toEqual([value, schemasWord(schema, value)]);
  }
});
