// Goal: whatever JSON can hold is stored and found as it was, under whatever names, sizes and wrappers.
import fc from 'fast-check';
import { createRxDatabase } from 'rxdb';
import type { MangoQuery, RxCollection, RxJsonSchema, RxStorage } from 'rxdb';
import { wrappedKeyEncryptionCryptoJsStorage } from 'rxdb/plugins/encryption-crypto-js';
import { wrappedKeyCompressionStorage } from 'rxdb/plugins/key-compression';
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { getRxStorageSqlite, sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import { filled, instanceOf, sqliteStorage, temporaryFile } from './storage-fixtures.ts';

interface Anything {
  readonly id: string;
  readonly [field: string]: unknown;
}

const schema: RxJsonSchema<Anything> = {
  version: 0,
  primaryKey: 'id',
  type: 'object',
  properties: { id: { type: 'string', maxLength: 1000 } },
  required: ['id'],
};

/** A collection of its own, closed when the test ends, if not before. */
async function collectionOf<T>(
  storage: RxStorage<unknown, object>,
  of: RxJsonSchema<T>,
  password?: string,
): Promise<RxCollection<T>> {
  const more = password === undefined ? {} : { password };
  const database = await createRxDatabase({ name: 'contents', storage, multiInstance: false, ...more });
  onTestFinished(async () => {
    await database.close();
  });
  return (await database.addCollections<{ cards: RxCollection<T> }>({ cards: { schema: of } })).cards;
}

describe('a document', () => {
  test('comes back as it was written, whatever JSON it holds', async () => {
    const instance = await instanceOf(getRxStorageSqlite({ file: ':memory:' }), schema);
    const json = fc.jsonValue({ stringUnit: 'binary', maxDepth: 2 });
    let n = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ unit: 'binary', maxLength: 8 }), json, { maxKeys: 4 }),
        fc.string({ unit: 'binary', maxLength: 20 }),
        async (content, name) => {
          const id = `${name}${(n += 1)}`;
          const own = Object.entries(content).filter(([field]) => !field.startsWith('_') && field !== 'id');
          const document = filled<Anything>({ ...Object.fromEntries(own), id });
          expect((await instance.bulkWrite([{ document }], 'x')).error).toEqual([]);
          const [found] = await instance.findDocumentsById([id], false);
          expect(JSON.stringify(found)).toBe(JSON.stringify(document));
        },
      ),
      { numRuns: 100 },
    );
    await instance.close();
  });

  test('loses what is undefined and keeps what is null, at any depth', async () => {
    const instance = await instanceOf(sqliteStorage(), schema);
    const document = filled<Anything>({
      id: 'a',
      gone: undefined,
      kept: null,
      deep: { gone: undefined, kept: null },
    });
    await instance.bulkWrite([{ document }], 'x');
    const [found] = await instance.findDocumentsById(['a'], false);
    expect(Object.keys(found ?? {})).not.toContain('gone');
    expect(found).toMatchObject({ kept: null, deep: { kept: null } });
    expect(Object.keys(found?.['deep'] ?? {})).toEqual(['kept']);
  });

  test('may be of several megabytes, and have an id of a thousand characters', async () => {
    const instance = await instanceOf(sqliteStorage(), schema);
    const document = filled<Anything>({ id: '\u{1F600}'.repeat(500), text: 'ä€'.repeat(1_500_000) });
    await instance.bulkWrite([{ document }], 'x');
    expect(await instance.findDocumentsById([document.id], false)).toEqual([document]);
  });

  test.each([
    'a.b',
    'a"b',
    "a'b",
    'a;DROP TABLE documents_1;--',
    '%_',
    '?',
    '\\',
    '$eq',
    ' ',
    'Straße €',
    '\u0000',
  ])('has its id %j to itself, in point reads, queries and deletions', async (id) => {
    const instance = await instanceOf(sqliteStorage(), schema);
    const documents = [id, `${id}x`, `x${id}`].map((each) => filled<Anything>({ id: each }));
    await instance.bulkWrite(
      documents.map((document) => ({ document })),
      'x',
    );
    expect((await instance.findDocumentsById([id], false)).map((found) => found.id)).toEqual([id]);
    const [previous] = documents;
    if (previous === undefined) throw new Error('no document');
    await instance.bulkWrite([{ previous, document: { ...previous, _deleted: true, _rev: '2-x' } }], 'x');
    expect(
      (
        await instance.findDocumentsById(
          documents.map((each) => each.id),
          false,
        )
      ).length,
    ).toBe(2);
  });

  test('has indexed fields of any name', async () => {
    interface Odd {
      readonly id: string;
      readonly ['Größe "ß"']: number;
      readonly order: string;
      readonly nested: { readonly select: string };
    }
    const odd: RxJsonSchema<Odd> = {
      version: 0,
      primaryKey: 'id',
      type: 'object',
      properties: {
        id: { type: 'string', maxLength: 10 },
        'Größe "ß"': { type: 'number', minimum: 0, maximum: 100, multipleOf: 1 },
        order: { type: 'string', maxLength: 10 },
        nested: { type: 'object', properties: { select: { type: 'string', maxLength: 10 } } },
      },
      required: ['id', 'Größe "ß"', 'order', 'nested'],
      indexes: ['Größe "ß"', ['order', 'nested.select']],
    };
    const cards = await collectionOf(sqliteStorage(), odd);
    await cards.bulkInsert(
      [1, 2, 3].map((n) => ({ id: `${n}`, 'Größe "ß"': n, order: 'x', nested: { select: `s${n}` } })),
    );
    const queries: MangoQuery<Odd>[] = [
      { selector: { 'Größe "ß"': { $gte: 2 } } },
      { selector: { order: 'x', 'nested.select': { $in: ['s2', 's3'] } } },
    ];
    for (const query of queries) {
      expect((await cards.find(query).exec()).map(({ id }) => id)).toEqual(['2', '3']);
      const plan = sqliteStoreOf(cards).explain(cards.find(query).getPreparedQuery()).join('\n');
      expect(plan).toMatch(/USING INDEX documents_\d+_\d/);
    }
  });

  test('belongs to a collection of any name', async () => {
    const storage = sqliteStorage();
    const names = ["a'b", 'Straße', 'select', '', 'a;b', 'A', 'a'];
    const instances = await Promise.all(names.map((name) => instanceOf(storage, schema, name)));
    for (const [i, instance] of instances.entries())
      await instance.bulkWrite([{ document: filled<Anything>({ id: 'a', i }) }], 'x');
    for (const [i, instance] of instances.entries())
      expect(await instance.findDocumentsById(['a'], false)).toMatchObject([{ i }]);
    await Promise.all(instances.map((instance) => instance.close()));
  });
});

describe('queries over what has no place in an index', () => {
  interface Hero {
    readonly name: string;
    readonly skills: readonly (string | { readonly name: string; readonly damage: number })[];
    readonly level: number | null;
  }
  const heroes: RxJsonSchema<Hero> = {
    version: 0,
    primaryKey: 'name',
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 20 },
      skills: { type: 'array', items: {} },
      level: { type: ['number', 'null'] },
    },
    required: ['name', 'skills', 'level'],
  };
  const hero = (name: string, level: number | null, ...skills: Hero['skills']): Hero => ({
    name,
    level,
    skills,
  });
  const cases: readonly (readonly [string, object, readonly string[]])[] = [
    ['a list that holds a value', { skills: { $in: ['fly'] } }, ['ann', 'cas']],
    ['a list that holds none of some', { skills: { $nin: ['fly'] } }, ['bob']],
    ['an element', { skills: { $elemMatch: { damage: { $gt: 5 } } } }, ['bob']],
    ['an element and a key', { name: 'bob', skills: { $elemMatch: { damage: 5 } } }, ['bob']],
    ['a size', { skills: { $size: 1 } }, ['cas']],
    ['a type', { level: { $type: 'null' } }, ['cas']],
    ['a remainder', { level: { $mod: [2, 1] } }, ['ann']],
    ['a pattern', { name: { $regex: '^[ab]' } }, ['ann', 'bob']],
    ['a pattern that ignores case', { name: { $regex: 'ANN', $options: 'i' } }, ['ann']],
    ['null', { level: null }, ['cas']],
    ['one of several', { $or: [{ level: null }, { skills: { $size: 3 } }] }, ['bob', 'cas']],
    ['none of several', { $nor: [{ level: null }, { name: 'ann' }] }, ['bob']],
    ['an empty object', { level: {} }, []],
  ];
  test.each(cases)('%s', async (_, selector, expected) => {
    const cards = await collectionOf(sqliteStorage(), heroes);
    await cards.bulkInsert([
      hero('ann', 3, 'fly', 'swim'),
      hero('bob', 4, { name: 'a', damage: 5 }, { name: 'b', damage: 9 }, 'run'),
      hero('cas', null, 'fly'),
    ]);
    // The cases are beyond the type of the collection's queries.
    const found = await cards.find({ selector, sort: [{ name: 'asc' }] } as MangoQuery<Hero>).exec();
    expect(found.map(({ name }) => name)).toEqual(expected);
    expect(
      await cards.find({ selector, skip: 1, limit: 1, sort: [{ name: 'desc' }] } as MangoQuery<Hero>).exec(),
    ).toEqual(found.toReversed().slice(1, 2));
  });
});

describe('under RxDB’s wrappers', () => {
  interface Secret {
    readonly identifier: string;
    readonly confidential: string;
    readonly amountOfPoints: number;
  }
  const secrets: RxJsonSchema<Secret> = {
    version: 0,
    primaryKey: 'identifier',
    type: 'object',
    properties: {
      identifier: { type: 'string', maxLength: 20 },
      confidential: { type: 'string', maxLength: 50 },
      amountOfPoints: { type: 'number', minimum: 0, maximum: 1000, multipleOf: 1 },
    },
    required: ['identifier', 'confidential', 'amountOfPoints'],
    indexes: ['amountOfPoints'],
  };
  async function roundTrip(
    storage: RxStorage<unknown, object>,
    wrapped: RxJsonSchema<Secret>,
    password?: string,
  ): Promise<void> {
    const cards = await collectionOf(storage, wrapped, password);
    await cards.bulkInsert(
      [1, 2, 3].map((n) => ({ identifier: `${n}`, confidential: 'CanaryInTheMine', amountOfPoints: n })),
    );
    await (await cards.findOne('2').exec(true)).patch({ amountOfPoints: 20 });
    const found = await cards
      .find({ selector: { amountOfPoints: { $gt: 2 } }, sort: [{ amountOfPoints: 'desc' }] })
      .exec();
    expect(found.map(({ identifier, confidential }) => [identifier, confidential])).toEqual([
      ['2', 'CanaryInTheMine'],
      ['3', 'CanaryInTheMine'],
    ]);
    await cards.database.close();
  }

  test('keys are compressed and come back, indexed queries included', async () => {
    const file = temporaryFile();
    const storage = wrappedKeyCompressionStorage({ storage: getRxStorageSqlite({ file }) });
    await roundTrip(storage as RxStorage<unknown, object>, { ...secrets, keyCompression: true });
    const bytes = readFileSync(file);
    expect(bytes.includes('CanaryInTheMine')).toBe(true);
    expect(bytes.includes('"confidential":"Canary')).toBe(false);
  });

  test('fields are encrypted by RxDB on top of the file', async () => {
    const file = temporaryFile();
    const storage = wrappedKeyEncryptionCryptoJsStorage({ storage: getRxStorageSqlite({ file }) });
    await roundTrip(
      storage as RxStorage<unknown, object>,
      { ...secrets, encrypted: ['confidential'] },
      'a long enough password',
    );
    expect(readFileSync(file).includes('CanaryInTheMine')).toBe(false);
  });
});
