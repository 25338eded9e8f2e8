// Goal: the quick check of what comes by the million and its schema agree on everything.
// Method: documents that fit, with one thing changed at random, and anything JSON can say.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { checkerOf } from '../../foundation/schema-checker.ts';
import { ProgrammerError } from '../../foundation/errors.ts';
import { makeReceiptCode } from '../../sync/contract/receipt-code.ts';
import { Transaction } from '../../sync/contract/transaction.ts';
import { CredentialDocument, CustomerDocument } from '../../sync/contract/replica-documents.ts';

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

const id = '0190a6f2-0000-7000-8000-00000000000a';
const head = { storeId: 'store-1', at: 1_790_000_000_000 };
const card = { index: 'a'.repeat(43), kind: 'card', trust: 'L1', customerId: id };
const sale = {
  ...head,
  kind: 'sale.completed',
  saleId: id,
  basket: {
    currency: 'EUR',
    lines: [{ id: 'a', article: '4006381333931', category: 'tea', quantityMilli: 1_000, totalMinor: 250 }],
    totalMinor: 250,
    payments: [{ tender: 'cash', amountMinor: 250 }],
  },
  customer: card,
  earned: { programmeVersion: 1, base: 2, bonuses: [{ offerId: 'tea', points: 3 }], parts: [5] },
  redeemed: {
    redemptionId: id,
    points: 10,
    minor: 10,
    parts: [10],
    authorised: 'allowance',
    allowanceVersion: 4,
  },
  shift: 'early',
};
const transactions = [
  sale,
  { ...head, kind: 'sale.voided', saleId: id, completed: null },
  {
    ...head,
    kind: 'sale.returned',
    returnId: id,
    saleId: id,
    lines: [{ lineId: 'a', quantityMilli: 500 }],
    reversed: 2,
  },
  {
    ...head,
    kind: 'sale.claimed',
    claimId: id,
    saleId: id,
    customer: card,
    code: makeReceiptCode(Buffer.alloc(32), { saleId: id, till: 'till-1', at: head.at }),
  },
];

describe('of a transaction', () => {
  const check = checkerOf(Transaction);

  test.for(transactions)('takes a $kind at once', (transaction) => {
    expect(schemasWord(Transaction, transaction)).toBe(true);
    expect(check(transaction)).toBe(true);
  });

  test('the quick check says what the schema says, whatever is wrong and wherever', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      whole,
      uuid,
      fc.constantFrom('sale.voided', 'sale.completed', '4111111111111111', 'x'.repeat(65), [], {}),
    );
    const spoiled = fc
      .tuple(fc.constantFrom(...transactions), fc.infiniteStream(fc.nat()), value, fc.nat({ max: 3 }))
      .map(([transaction, steps, put, how]): unknown => {
        const copy: object = structuredClone(transaction);
        let at = copy;
        for (const step of steps) {
          const names = [...Object.keys(at), ...(how === 3 ? ['more'] : [])];
          const name = names[step % names.length] ?? 'more';
          const inner: unknown = Reflect.get(at, name);
          if (typeof inner === 'object' && inner !== null && step % 4 !== 0) at = inner;
          else {
            if (how === 0) Reflect.deleteProperty(at, name);
            else Reflect.set(at, name, put);
            break;
          }
        }
        // As it would come.
        return JSON.parse(JSON.stringify(copy));
      });
    let fitting = 0;
    fc.assert(
      fc.property(spoiled, (changed) => {
        const expected = schemasWord(Transaction, changed);
        fitting += Number(expected);
        expect(check(changed)).toBe(expected);
      }),
      { numRuns: 5_000 },
    );
    expect(fitting).toBeGreaterThan(50);
  });
});

test('a schema that answers later is not checked at once', () => {
  const check = checkerOf(z.string().refine(() => Promise.resolve(false)));
  expect(() => check('a')).toThrow(ProgrammerError);
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
    z.array(z.int()).length(2),
    z.array(z.int()).refine((list) => list[0] === 1),
    z.string().refine((text) => text.startsWith('a')),
    z
      .string()
      .check(
        (context) => void (context.value === 'a' && context.issues.push({ code: 'custom', input: 'a' })),
      ),
    z.literal(['a', 3, null]),
    z.discriminatedUnion('a', [
      z.strictObject({ a: z.literal(1) }),
      z.strictObject({ a: z.literal([3, 'x']) }),
    ]),
    z.discriminatedUnion('a', [z.strictObject({ a: z.literal(1).refine(() => false) })]),
    z.discriminatedUnion('a', [
      z.object({ a: z.literal(1) }),
      z.strictObject({ b: z.int(), a: z.enum(['x']) }),
    ]),
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
