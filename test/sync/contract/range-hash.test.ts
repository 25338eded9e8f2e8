import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bucketOf,
  canonicalText,
  combine,
  documentHash,
  EMPTY_BUCKET,
  hashOfHex,
  hashToHex,
  keyOf,
  RANGE_BUCKETS,
} from '../../../sync/contract/range-hash.ts';
import { replicaCollectionNames, replicaCollections } from '../../../sync/contract/replica-documents.ts';
import { documentsOf } from './documents.ts';
import type { Json, JsonDocument } from './documents.ts';

/** A document with every list of texts in one order: two documents are the same if these are equal. */
function normal(value: Json): Json {
  if (Array.isArray(value)) {
    // Array.isArray does not take a readonly array apart from the other values.
    const list = (value as readonly Json[]).map(normal);
    return list.every((each) => typeof each === 'string') ? list.toSorted() : list;
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, field]) => [name, normal(field)]),
    );
  }
  return Object.is(value, -0) ? 0 : value;
}

const textOf = (value: Json): string => JSON.stringify(normal(value));

/** Every place in a document: the path of each value within it. */
function places(
  value: Json,
  path: readonly (string | number)[] = [],
): readonly (readonly (string | number)[])[] {
  const below =
    typeof value === 'object' && value !== null
      ? Object.entries(value).flatMap(([name, field]) => places(field as Json, [...path, name]))
      : [];
  return path.length === 0 ? below : [path, ...below];
}

function replaced(
  value: Json,
  [first, ...rest]: readonly (string | number)[],
  other: Json | undefined,
): Json {
  if (first === undefined) throw new Error('no place');
  if (Array.isArray(value) && rest.length === 0 && other === undefined)
    return (value as readonly Json[]).toSpliced(Number(first), 1);
  const copy = Array.isArray(value) ? [...(value as readonly Json[])] : { ...(value as JsonDocument) };
  const fields = copy as Record<string | number, Json | undefined>;
  fields[first] = rest.length === 0 ? other : replaced(fields[first] ?? null, rest, other);
  return copy as Json;
}

describe.each(replicaCollectionNames)('the hash of a document of %s', (collection) => {
  const field = replicaCollections[collection].primaryKey;

  test('changes with every field of the schema, wherever it stands', () => {
    const touched = new Set<string | number>();
    fc.assert(
      fc.property(documentsOf(collection, 'always'), (document) => {
        const before = documentHash(collection, document);
        for (const path of places(document)) {
          for (const other of ['a value of no field', 918_273_645, null, undefined]) {
            const changed = replaced(document, path, other) as JsonDocument;
            if (textOf(changed) === textOf(document)) continue;
            expect(documentHash(collection, changed)).not.toBe(before);
            if (path.length === 1 && path[0] !== undefined) touched.add(path[0]);
          }
        }
      }),
      { numRuns: 40 },
    );
    expect([...touched].map(String).toSorted()).toEqual(
      Object.keys(replicaCollections[collection].document.shape).toSorted(),
    );
  });

  test('is the same whatever the order of fields and of lists that are sets', () => {
    fc.assert(
      fc.property(documentsOf(collection), fc.infiniteStream(fc.nat()), (document, numbers) => {
        const mix = <T>(list: readonly T[]): readonly T[] =>
          list
            .map((item) => [numbers.next().value, item] as const)
            .toSorted(([x], [y]) => x - y)
            .map(([, item]) => item);
        const shuffle = (value: Json): Json => {
          if (Array.isArray(value)) {
            const items = (value as readonly Json[]).map(shuffle);
            return items.every((each) => typeof each === 'string') ? mix(items) : items;
          }
          if (typeof value !== 'object' || value === null) return value;
          const fields: readonly (readonly [string, Json])[] = Object.entries(value);
          return Object.fromEntries(mix(fields).map(([name, field]) => [name, shuffle(field)] as const));
        };
        expect(canonicalText(collection, shuffle(document) as JsonDocument)).toBe(
          canonicalText(collection, document),
        );
      }),
    );
  });

  test('is of a text that no other document has', () => {
    fc.assert(
      fc.property(documentsOf(collection), documentsOf(collection), (a, b) => {
        expect(canonicalText(collection, a) === canonicalText(collection, b)).toBe(textOf(a) === textOf(b));
      }),
      { numRuns: 300 },
    );
  });

  test('does not depend on what the replication adds to a document', () => {
    fc.assert(
      fc.property(documentsOf(collection), (document) => {
        const stored = { ...document, _rev: '1-abc', _deleted: false, _meta: { lwt: 1.5 }, _attachments: {} };
        expect(documentHash(collection, stored)).toBe(documentHash(collection, document));
        expect(keyOf(collection, stored)).toBe(document[field]);
      }),
      { numRuns: 20 },
    );
  });
});

// Any two lists of values, put in any way, must not run together: the text can be read back.
test('a canonical text can be read back: there is one document for it', () => {
  const read = (text: Buffer): Json => {
    let at = 0;
    const until = (mark: string): string => {
      const end = text.indexOf(mark, at);
      const part = text.subarray(at, end).toString();
      at = end + 1;
      return part;
    };
    const value = (): Json => {
      const kind = String.fromCharCode(text[at] ?? 0);
      at += 1;
      const close = (mark: string): boolean => text[at] === mark.charCodeAt(0);
      if (kind === 's') {
        const length = Number(until(':'));
        at += length;
        return text.subarray(at - length, at).toString();
      }
      if (kind === 'i') return Number(until(';'));
      if (kind === 't' || kind === 'f') return kind === 't';
      if (kind === 'n') return null;
      if (kind === '[') {
        const list: Json[] = [];
        while (!close(']')) list.push(value());
        at += 1;
        return list;
      }
      const fields: Record<string, Json> = {};
      while (!close('}')) {
        const name = value();
        if (typeof name !== 'string') throw new Error('no name');
        fields[name] = value();
      }
      at += 1;
      return fields;
    };
    return value();
  };
  for (const collection of replicaCollectionNames) {
    fc.assert(
      fc.property(documentsOf(collection), (document) => {
        const text = canonicalText(collection, document).slice(collection.length);
        const back = read(Buffer.from(text));
        // A lone surrogate is no text and cannot be written in UTF-8.
        fc.pre(JSON.stringify(document).isWellFormed() && !/\\ud[89a-f]/i.test(JSON.stringify(document)));
        expect(textOf(back)).toBe(textOf(document));
      }),
    );
  }
});

test('values that look alike have texts of their own', () => {
  const text = (document: Readonly<Record<string, unknown>>): string => canonicalText('customers', document);
  const alike = [
    { a: '1' },
    { a: 1 },
    { a: true },
    { a: null },
    {},
    { a: [] },
    { a: {} },
    { a: [''] },
    { a: ['', ''] },
    { a: ['1', '2'] },
    { a: ['12'] },
    { a: [1, 2] },
    { a: [12] },
    { a: [2, 1] },
    { a: '', b: '' },
    { a: 's0:' },
    { as: '0:' },
  ];
  expect(new Set(alike.map(text)).size).toBe(alike.length);
  expect(text({ a: ['b', 'a'] })).toBe(text({ a: ['a', 'b'] }));
  expect(text({ a: undefined })).toBe(text({}));
  expect(text({ a: -0 })).toBe(text({ a: 0 }));
  // In UTF-16 the second comes first.
  expect(text({ a: ['\u{1D11E}', '\uE000'] })).toBe('customers{s1:a[s3:\uE000s4:\u{1D11E}]}');
  expect(() => text({ a: 0.5 })).toThrow('not whole');
  expect(() => text({ a: () => 1 })).toThrow('function');
  expect(() => keyOf('customers', {})).toThrow('no key');
});

test('the hash is the one written down, for other programs to compare with', () => {
  const document = {
    id: '0191d3e4-0000-7000-8000-000000000001',
    status: 'active',
    tier: 'gold',
    points: -7,
    pointsAt: 1_790_000_000_000,
    purposes: ['personal_offers', 'greeting'],
    greeting: 'Zoë',
  };
  expect(canonicalText('customers', document)).toBe(
    'customers{s8:greetings4:Zoës2:ids36:0191d3e4-0000-7000-8000-000000000001s6:pointsi-7;' +
      's8:pointsAti1790000000000;s8:purposes[s8:greetings15:personal_offers]s6:statuss6:actives4:tiers4:gold}',
  );
  expect(hashToHex(documentHash('customers', document))).toBe('b8ed9aca39180f08');
  expect(bucketOf(document.id)).toBe(171);
});

test('buckets are told apart by the first byte of the key’s hash, and all of them are used', () => {
  const used = new Set(Array.from({ length: 5_000 }, (_, i) => bucketOf(`key-${i}`)));
  expect(used.size).toBe(RANGE_BUCKETS);
  expect(Math.max(...used)).toBe(RANGE_BUCKETS - 1);
});

test('what is taken from a bucket leaves what was not taken, in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })), fc.nat(), (hashes, cut) => {
      const sum = (list: readonly bigint[], count: number) =>
        list.reduce((bucket, hash) => combine(bucket, { hash, count }), EMPTY_BUCKET);
      const kept = hashes.slice(0, cut % (hashes.length + 1));
      const gone = hashes.slice(kept.length);
      const rest = gone.reduce((bucket, hash) => combine(bucket, { hash, count: -1 }), sum(hashes, 1));
      expect(rest).toEqual(sum(kept.toReversed(), 1));
      for (const hash of hashes) expect(hashOfHex(hashToHex(hash))).toBe(hash);
    }),
  );
});
