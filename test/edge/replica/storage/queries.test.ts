// Goal: every query and count answers exactly as RxDB's own matcher and comparator do, in the same order.
// Method: random documents of every JSON type, with missing fields and hostile strings; random selectors and sorts.
import fc from 'fast-check';
import {
  fillWithDefaultSettings,
  getQueryMatcher,
  getSortComparator,
  normalizeMangoQuery,
  prepareQuery,
} from 'rxdb';
import type { MangoQuery, RxJsonSchema } from 'rxdb';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';
import Database from 'better-sqlite3-multiple-ciphers';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { SqliteDatabase } from '../../../../edge/replica/storage/database.ts';
import { encodeText } from '../../../../edge/replica/storage/value-encoding.ts';
import { getRxStorageSqlite, sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import { card } from './card-collection.ts';
import { cardDigest } from './card-digests.ts';
import { cardDatabase, filled, instanceOf, sqliteStorage, temporaryFile } from './storage-fixtures.ts';
import type { Card } from './card-collection.ts';

interface Loose {
  readonly id: string;
  readonly a?: unknown;
  readonly b?: unknown;
  readonly nested?: unknown;
  readonly free?: unknown;
}

const looseSchema: RxJsonSchema<Loose> = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: {
    id: { type: 'string', maxLength: 40 },
    a: { type: 'number', minimum: -1e6, maximum: 1e6, multipleOf: 0.01 },
    b: { type: 'string', maxLength: 40 },
    nested: { type: 'object', properties: { c: { type: 'string', maxLength: 40 } } },
    free: {},
  },
  indexes: ['a', 'b', ['b', 'a'], 'nested.c'],
};

/** Few distinct values, so that conditions hit; strings that order differently by byte and by code unit. */
const text = fc.constantFrom(
  '',
  'a',
  'B',
  'a\0b',
  'a\t',
  'a ',
  'é',
  '\u{1F600}',
  '\uD83D',
  '\uDE00',
  '\uE000',
  '\uFFFF',
  'opaque',
  'never',
  '__proto__',
);
const scalar = fc.oneof(text, fc.constantFrom(-2, -0, 0, 1, 1.5, 7, 1e15), fc.boolean(), fc.constant(null));
const rare = fc.oneof(
  { weight: 12, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.record({ c: scalar }, { noNullPrototype: true }) },
);
const fields = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Omit<Loose, 'id'>> =>
  fc.record(
    {
      a: value,
      b: value,
      nested: fc.oneof(
        fc.record({ c: value }, { requiredKeys: [], noNullPrototype: true }),
        fc.constant(null),
      ),
      free: value,
    },
    { requiredKeys: [], noNullPrototype: true },
  );
/** Mostly what SQL decides alone: one condition left to the matcher would hide a wrong one beside it. */
const path = fc.constantFrom('id', 'a', 'a', 'a', 'b', 'b', 'b', 'nested.c', 'nested.c', 'free', '_deleted');
const undecided = fc.oneof(
  fc.tuple(fc.constant('$type'), fc.constantFrom('string', 'number', 'boolean', 'null')),
  fc.tuple(fc.constant('$regex'), fc.constantFrom('^a', 'b$')),
  fc.tuple(fc.constant('$mod'), fc.constant([2, 1])),
  fc.tuple(fc.constant('$size'), fc.nat({ max: 2 })),
  fc.tuple(fc.constant('$elemMatch'), fc.constant({ $gt: 0 })),
);
const operator = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), scalar),
  },
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('$in', '$nin'), fc.array(scalar, { maxLength: 4 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('$exists'), fc.boolean()) },
  { weight: 1, arbitrary: undecided },
);
const matcher = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .array(operator, { minLength: 1, maxLength: 2 })
      .map((pairs) => Object.fromEntries<unknown>(pairs)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(operator).map(([pair]) => ({ $not: Object.fromEntries<unknown>([pair]) })),
  },
);
const selector = fc.letrec<{ tree: object; leaf: object }>((tie) => ({
  leaf: fc.array(fc.tuple(path, matcher), { maxLength: 2 }).map((pairs) => Object.fromEntries(pairs)),
  tree: fc.oneof(
    { maxDepth: 2 },
    tie('leaf'),
    fc
      .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(tie('tree'), { minLength: 1, maxLength: 3 }))
      .map(([name, parts]) => ({ [name]: parts })),
  ),
})).tree;
const sortBy = (...sortable: readonly string[]): fc.Arbitrary<readonly object[]> =>
  fc
    .uniqueArray(fc.tuple(fc.constantFrom(...sortable), fc.constantFrom('asc', 'desc')), {
      minLength: 1,
      maxLength: 3,
      selector: ([field]) => field,
    })
    .map((parts) => parts.map(([field, direction]) => ({ [field]: direction })));

async function answersAsMango(
  value: fc.Arbitrary<unknown>,
  sort: fc.Arbitrary<readonly object[]>,
): Promise<void> {
  const query = fc.record(
    { selector, sort, skip: fc.nat({ max: 4 }), limit: fc.nat({ max: 6 }) },
    { requiredKeys: ['selector', 'sort'], noNullPrototype: true },
  );
  const schema = fillWithDefaultSettings(looseSchema);
  let run = 0;
  const storage = getRxStorageSqlite({ file: ':memory:' });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.tuple(text, fc.nat({ max: 9 })).map(([t, n]) => `${t}${n}`),
        { minLength: 1, maxLength: 25 },
      ),
      fc.array(fc.tuple(fields(value), fc.nat({ max: 5 })), { minLength: 25, maxLength: 25 }),
      fc.array(query, { minLength: 5, maxLength: 12 }),
      async (ids, contents, queries) => {
        run += 1;
        const instance = await instanceOf(storage, looseSchema, `run${run}`);
        const documents = ids.map((id, i) => {
          const [content, draw] = contents[i] ?? [{}, 1];
          return filled<Loose>({ ...content, id }, { _deleted: draw === 0 });
        });
        await instance.bulkWrite(
          documents.map((document) => ({ document })),
          'test',
        );
        for (const mango of queries) {
          // Random selectors are beyond the type of RxDB's queries.
          const normal = normalizeMangoQuery(schema, structuredClone(mango) as MangoQuery<Loose>);
          const matches = getQueryMatcher(schema, normal);
          const all = documents.filter((document) => matches(document));
          const ordered = all.toSorted(getSortComparator(schema, normal));
          const end = normal.limit === undefined ? undefined : normal.skip + normal.limit;
          const expected = ordered.slice(normal.skip, end);
          const prepared = prepareQuery(schema, normal);
          const { documents: found } = await instance.query(prepared);
          expect(JSON.stringify(found)).toBe(JSON.stringify(expected));
          expect((await instance.count(prepared)).count).toBe(expected.length);
        }
        await instance.remove();
      },
    ),
    { numRuns: 60 },
  );
}

describe('a query', () => {
  test('answers as RxDB’s matcher and comparator, whatever scalars the documents hold', async () => {
    const sort = sortBy('id', 'a', 'b', 'nested.c', 'free');
    await expect(answersAsMango(scalar, sort)).resolves.toBeUndefined();
  });

  test('answers as RxDB’s matcher and comparator when documents hold arrays and objects where scalars belong', async () => {
    // mingo's comparison of arrays is no order (it depends on the side), so only the id can be sorted by.
    await expect(answersAsMango(rare, sortBy('id'))).resolves.toBeUndefined();
  });

  test('gives the documents and the order of the memory storage', async () => {
    const ours = await cardDatabase(sqliteStorage());
    const theirs = await cardDatabase(getRxStorageMemory());
    const rows = Array.from({ length: 60 }, (_, n) => card((n * 37) % 101));
    await ours.cards.bulkInsert(rows);
    await theirs.cards.bulkInsert(rows);
    const comparison = fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte');
    // Operands of the field's own type: with others the memory storage trusts its index over its matcher.
    const condition = fc.oneof(
      fc.tuple(fc.constant('id'), comparison, fc.constantFrom('card-000020', 'card-000099')),
      fc.tuple(fc.constant('holder'), comparison, fc.constantFrom('h3', 'h5', 'h')),
      fc.tuple(fc.constant('points'), comparison, fc.integer({ min: -1, max: 101 })),
      fc.tuple(fc.constant('active'), fc.constantFrom('$eq', '$ne'), fc.boolean()),
    );
    const mango = fc.record(
      {
        selector: fc
          .array(condition, { maxLength: 3 })
          .map((parts) => Object.fromEntries(parts.map(([name, sign, value]) => [name, { [sign]: value }]))),
        sort: fc
          .tuple(fc.constantFrom('id', 'holder', 'points', 'active'), fc.constantFrom('asc', 'desc'))
          .map(([name, direction]) => [{ [name]: direction }]),
        skip: fc.nat({ max: 5 }),
        limit: fc.integer({ min: 1, max: 20 }),
      },
      { requiredKeys: ['selector'], noNullPrototype: true },
    );
    await fc.assert(
      fc.asyncProperty(mango, async (asked) => {
        // Random operands are beyond the type of the collection's queries.
        const typed = asked as MangoQuery<Card>;
        const [mine, memory] = await Promise.all([
          ours.cards.find(typed).exec(),
          theirs.cards.find(typed).exec(),
        ]);
        expect(mine.map((document) => document.toJSON())).toEqual(
          memory.map((document) => document.toJSON()),
        );
      }),
      { numRuns: 80 },
    );
  });

  test('with a selector no one understands is refused without poisoning the database', async () => {
    const storage = sqliteStorage();
    const { cards } = await cardDatabase(storage);
    await cards.insert(card(1));
    // $in without a list is not a query of the collection's type.
    const nonsense = { selector: { note: { $in: 5 } } } as unknown as MangoQuery<Card>;
    await expect(cards.find(nonsense).exec()).rejects.toThrow(TypeError);
    expect(storage.poisonedBy).toBeUndefined();
    expect(await cards.find().exec()).toHaveLength(1);
  });
});

describe('an indexed query', () => {
  const shapes: readonly (readonly [string, MangoQuery<Card>, RegExp])[] = [
    ['by range', { selector: { points: { $gt: 5, $lt: 9 } } }, /SEARCH .*\(deleted=\? AND f0>\? AND f0<\?\)/],
    [
      'by two fields',
      { selector: { holder: { $eq: 'h1' }, points: { $gte: 5 } } },
      /SEARCH .*\(deleted=\? AND f1=\? AND f0>\?/,
    ],
    ['by a list', { selector: { holder: { $in: ['h1', 'h2'] } } }, /SEARCH .*f1=\?/],
    ['by primary key', { selector: { id: 'card-000001' } }, /SEARCH .*\(id=\?\)/],
    [
      'in the order of an index',
      { selector: {}, sort: [{ points: 'asc' }], limit: 3 },
      /SEARCH .*\(deleted=\?\)/,
    ],
  ];
  test.each(shapes)('%s searches an index', async (_, mango, expected) => {
    const { cards } = await cardDatabase(sqliteStorage());
    const steps = sqliteStoreOf(cards).explain(cards.find(mango).getPreparedQuery());
    expect(steps.join('\n')).toMatch(expected);
    expect(steps.join('\n')).not.toContain('SCAN');
  });

  test('in the order of its index sorts nothing', async () => {
    const { cards } = await cardDatabase(sqliteStorage());
    const mango: MangoQuery<Card> = {
      selector: { holder: 'h1' },
      sort: [{ points: 'desc' }, { id: 'desc' }],
    };
    expect(sqliteStoreOf(cards).explain(cards.find(mango).getPreparedQuery())).toHaveLength(1);
  });
});

test('leaves no parameter that SQLite would look at to plan anew: neither the mark of deletion nor the window', async () => {
  const prepared = vi.spyOn(SqliteDatabase.prototype, 'prepare');
  onTestFinished(() => prepared.mockRestore());
  const { cards } = await cardDatabase(sqliteStorage());
  prepared.mockClear();
  await cards.find({ selector: { holder: 'h1' }, skip: 1, limit: 2 }).exec();
  const selects = prepared.mock.calls.map(([text]) => text).filter((text) => text.startsWith('SELECT doc'));
  expect(selects).not.toHaveLength(0);
  for (const text of selects) {
    expect(text).toMatch(/LIMIT 2 OFFSET 1$/);
    expect(text).toMatch(/deleted = 0/);
    expect(text.match(/\?/g)).toHaveLength(1);
  }
});

test('no statement but a query for everything reads through a whole collection, nor sorts one', async () => {
  const prepared = vi.spyOn(SqliteDatabase.prototype, 'prepare');
  onTestFinished(() => prepared.mockRestore());
  const file = temporaryFile();
  const storage = getRxStorageSqlite({ file, digests: { cards: cardDigest } });
  const { database, cards } = await cardDatabase(storage, 'shop');
  const store = sqliteStoreOf(cards);
  store.bulkLoad([card(1), card(2)], { name: 'mark', text: 'set' });
  await cards.bulkInsert([card(3), card(4)]);
  await (await cards.findOne(card(3).id).exec(true)).patch({ points: 9 });
  await (await cards.findOne(card(3).id).exec(true)).remove();
  store.repair({ put: [card(5)], delete: [card(4).id] });
  const recount = store.recount();
  recount.step(10);
  recount.close();
  await cards.storageInstance.getChangedDocumentsSince?.(10, { id: '', lwt: 1 });
  await cards.storageInstance.cleanup(0);
  store.readMark('mark');
  const statements = [...new Set(prepared.mock.calls.map(([sql]) => sql))].filter((sql) =>
    /^(SELECT|UPDATE|DELETE)/.test(sql),
  );
  await database.close();
  const plain = new Database(file);
  onTestFinished(() => {
    plain.close();
  });
  const plans = statements
    .filter((sql) => /documents_|rx_digest|rx_mark/.test(sql))
    .map((sql) => {
      const parameters = Array.from(sql.matchAll(/\?/g), () => 1);
      const steps = plain.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as { detail: string }[];
      return { sql, steps: steps.map(({ detail }) => detail).join('; ') };
    });
  expect(plans.length).toBeGreaterThan(9);
  // The computing of digests at the first opening reads everything, and says so.
  const scanning = plans.filter(({ steps }) => /SCAN|TEMP B-TREE/.test(steps)).map(({ sql }) => sql);
  expect(scanning).toEqual([expect.stringMatching(/^SELECT doc FROM documents_\d+ WHERE deleted=0$/)]);
  const cleaning = plans.find(({ sql }) => sql.includes('deleted=1'));
  expect(cleaning?.steps).toMatch(/USING INDEX documents_\d+_tombstones \(lwt<\?\)/);
});

describe('the encoding of text', () => {
  const units = fc
    .array(
      fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0xd7ff, 0xd800, 0xdfff, 0xe000, 0xffff)),
      { maxLength: 6 },
    )
    .map((codes) => String.fromCharCode(...codes));

  test('keeps the order of code units in UTF-8 bytes, and keeps different strings apart', () => {
    fc.assert(
      fc.property(units, units, (a, b) => {
        const order = Buffer.compare(Buffer.from(encodeText(a)), Buffer.from(encodeText(b)));
        expect(order).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
      { numRuns: 2000 },
    );
  });

  test('is always well-formed', () => {
    fc.assert(
      fc.property(units, (a) => {
        expect(encodeText(a).isWellFormed()).toBe(true);
      }),
    );
  });
});
