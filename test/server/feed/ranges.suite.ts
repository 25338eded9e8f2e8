// What the answers to "do I hold what I should hold" promise, held against a real database.
import fc from 'fast-check';
import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { bucketOf, documentHash, keyOf } from '../../../sync/contract/range-hash.ts';
import { RANGE_CHANGED_MAX } from '../../../sync/contract/ranges.ts';
import { replicaCollectionNames, replicaCollections } from '../../../sync/contract/replica-documents.ts';
import type { Database } from '../../../server/database/database.ts';
import { answerBucket } from '../../../server/feed/bucket.ts';
import { credentialDocument, customerDocument } from '../../../server/feed/documents.ts';
import type { CredentialRow, CustomerRow } from '../../../server/feed/documents.ts';
import { readFeedHeads } from '../../../server/feed/feed-store.ts';
import { foldRanges } from '../../../server/feed/fold-ranges.ts';
import { answerRanges } from '../../../server/feed/ranges.ts';
import type { FeedScope } from '../../../server/feed/scope.ts';
import { EVERYTHING } from '../../../server/feed/scope.ts';
import { putOffer, putProgramme, withdrawOffer } from '../../../server/programme/programme-store.ts';
import { documentsOf } from '../../sync/contract/documents.ts';
import type { JsonDocument } from '../../sync/contract/documents.ts';
import { programme } from '../programme.ts';
import { ModelTill } from './model-till.ts';
import { clear, perform, write } from './random-writes.ts';
import { recount } from './recount.ts';

const NORTH: FeedScope = { parts: ['', '~', 'north', 'north~'], name: 'aaaaaaaaaaaaaaaa' };
const SOUTH_RECENT: FeedScope = { parts: ['', 'south'], name: 'bbbbbbbbbbbbbbbb' };
const BOTH: FeedScope = { parts: ['', '~', 'north', 'north~', 'south', 'south~'], name: 'cccccccccccccccc' };
const SCOPES = [EVERYTHING, NORTH, SOUTH_RECENT, BOTH];

const offer = {
  id: 'double-coffee',
  title: { de: 'Doppelte Punkte', en: 'Double points' },
  validFrom: 0,
  validUntil: 9_000_000_000_000,
  reward: { kind: 'multiplier', percent: 200 },
} as const;

export function rangesSuite(database: () => Database, runs: number): void {
  beforeEach(() => clear(database().db));

  test('the database computes the hash of a customer as every till does, whatever is in it', async () => {
    const generated = distinct(fc.sample(documentsOf('customers', 'always'), 2_000), 'customers');
    const uuid = (n: number): string => `0191d3e4-0000-7000-8000-${String(n).padStart(12, '0')}`;
    await insertJson(
      'customer',
      generated.map((document, n) => ({
        ...document,
        id: uuid(n),
        status: ['active', 'blocked', 'closed'][n % 3],
        points_at: document['pointsAt'],
        purposes: n % 2 === 0 ? document['purposes'] : [...(document['purposes'] as string[]), 'greeting'],
        created_at: 0,
      })),
    );
    const { rows } = await sql<CustomerRow & { range_hash: string; range_bucket: number }>`
      select * from customer`.execute(database().db);
    expect(rows.length).toBe(generated.length);
    for (const row of rows) {
      const document = customerDocument(row);
      expect(Object.keys(document).toSorted()).toEqual(
        Object.keys(replicaCollections.customers.document.shape).toSorted(),
      );
      expect(BigInt(`0b${row.range_hash}`)).toBe(documentHash('customers', { ...document }));
      expect(row.range_bucket).toBe(bucketOf(row.id));
    }
  });

  test('the database computes the hash of a credential as every till does, whatever is in it', async () => {
    const generated = distinct(fc.sample(documentsOf('credentials', 'always'), 2_000), 'credentials');
    const customer = '0191d3e4-0000-7000-8000-000000000001';
    await sql`insert into customer (id, status, tier, points_at, created_at) values (${customer}, 'active', 'basic', 0, 0)`.execute(
      database().db,
    );
    await insertJson(
      'credential',
      generated.map((document, n) => ({
        ...document,
        id: `0191d3e4-0000-7000-8000-${String(n).padStart(12, '0')}`,
        scheme: 'house',
        customer_id: document['customerId'] === null ? null : customer,
        valid_until: document['validUntil'],
        issued_at: 0,
        public_key: n % 2 === 0 ? null : document['publicKey'],
      })),
    );
    const { rows } = await sql<CredentialRow & { range_hash: string; range_bucket: number }>`
      select * from credential`.execute(database().db);
    expect(rows.length).toBe(generated.length);
    const seen = new Set<string>();
    for (const row of rows) {
      const document = credentialDocument(row);
      for (const field of Object.keys(document)) seen.add(field);
      expect(BigInt(`0b${row.range_hash}`)).toBe(documentHash('credentials', { ...document }));
      expect(row.range_bucket).toBe(bucketOf(row.index));
    }
    expect([...seen].toSorted()).toEqual(
      Object.keys(replicaCollections.credentials.document.shape).toSorted(),
    );
  });

  /** Rows as JSON: PostgreSQL reads what it finds columns for. */
  async function insertJson(table: string, rows: readonly object[]): Promise<void> {
    const given = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const { rows: known } = await sql<{ name: string }>`
      select column_name as name from information_schema.columns where table_name = ${table}`.execute(
      database().db,
    );
    const columns = sql.join(
      known
        .map(({ name }) => name)
        .filter((name) => given.includes(name))
        .map((name) => sql.ref(name)),
    );
    await sql`
      insert into ${sql.table(table)} (${columns})
      select ${columns} from jsonb_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)}::jsonb)`.execute(
      database().db,
    );
  }

  // The tills of four scopes replay the feed page by page while anything happens to customers and cards. Whatever
  // each has pulled, its own hashes and the server's must agree at its position; with one document lost, or one kept
  // that is gone, they must differ in that document's bucket and in no other.
  test('a till that replayed the feed agrees with the server at any position, and one that lost a document never', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.array(write, { minLength: 1, maxLength: 4 }) },
      { weight: 3, arbitrary: fc.record({ pull: fc.nat(7), limit: fc.integer({ min: 1, max: 5 }) }) },
      { weight: 1, arbitrary: fc.constant('fold' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 14 }), fc.nat(), async (steps, pick) => {
        await clear(database().db);
        const tills = SCOPES.flatMap((scope) =>
          (['credentials', 'customers'] as const).map((collection) => ({
            collection,
            scope,
            till: new ModelTill(database(), collection, scope),
          })),
        );
        for (const { till } of tills) await till.pullPage(3);
        for (const each of steps) {
          if (each === 'fold') await foldRanges(database());
          else if (!Array.isArray(each)) await tills[each.pull]?.till.pullPage(each.limit);
          else
            await database().transaction(async (tx) => {
              for (const one of each) await perform(tx, one);
            });
          for (const { till } of tills) expect(await till.differing()).toEqual([]);
        }
        for (const collection of ['credentials', 'customers'] as const) {
          expect(await recount(database(), collection)).toMatchObject({ off: 0 });
        }
        for (const { collection, scope, till } of tills) {
          await till.pullAll(4);
          expect(await till.differing()).toEqual([]);
          expect(till.documents).toEqual(await view(collection, scope));
          const keys = [...till.documents.keys()];
          const lost = keys[pick % Math.max(1, keys.length)];
          if (lost === undefined) continue;
          const document = till.documents.get(lost) ?? {};
          till.documents.delete(lost);
          expect(await till.differing()).toEqual([bucketOf(lost)]);
          till.documents.set(lost, document);
          expect(await till.differing()).toEqual([]);
          const gone = `gone-${pick}`;
          till.documents.set(gone, { ...document, [replicaCollections[collection].primaryKey]: gone });
          expect(await till.differing()).toEqual([bucketOf(gone)]);
          till.documents.delete(gone);
          till.documents.set(lost, { ...document, status: 'never' });
          expect(await till.differing()).toEqual([bucketOf(lost)]);
        }
      }),
      { numRuns: runs },
    );
  }, 90_000);

  /** What a till of a scope should hold, straight from the tables. */
  async function view(
    collection: 'credentials' | 'customers',
    scope: FeedScope,
  ): Promise<ReadonlyMap<string, unknown>> {
    const rows =
      collection === 'credentials'
        ? (
            await sql<CredentialRow & { feed_part: string }>`select * from credential`.execute(database().db)
          ).rows.map((row) => ({ part: row.feed_part, key: row.index, document: credentialDocument(row) }))
        : (
            await sql<CustomerRow & { feed_part: string }>`select * from customer`.execute(database().db)
          ).rows.map((row) => ({ part: row.feed_part, key: row.id, document: customerDocument(row) }));
    return new Map(
      rows
        .filter(({ part }) => scope.parts === null || scope.parts.includes(part))
        .map(({ key, document }) => [key, document]),
    );
  }

  test('offers and the programme are compared as well', async () => {
    const put = (points: number, version: number) =>
      database().transaction((tx) =>
        putProgramme(tx, { ...programme, version, earn: { ...programme.earn, points } }, 1),
      );
    await database().transaction((tx) => putOffer(tx, offer, 1));
    const { rows } = await sql<{
      version: number;
    }>`select coalesce(max(version), 0) as version from programme`.execute(database().db);
    const version = (rows[0]?.version ?? 0) + 1;
    await put(1, version);
    const tills = (['offers', 'programme'] as const).map((name) => new ModelTill(database(), name));
    for (const till of tills) await till.pullAll();
    for (const till of tills) expect(await till.differing()).toEqual([]);
    await put(2, version + 1);
    await database().transaction((tx) => putOffer(tx, { ...offer, minTotalMinor: 5 }, 2));
    for (const till of tills) expect(await till.differing()).toEqual([]);
    await database().transaction((tx) => withdrawOffer(tx, offer.id, 3));
    for (const till of tills) expect(await till.differing()).toEqual([]);
    for (const till of tills) await till.pullAll();
    for (const till of tills) expect(await till.differing()).toEqual([]);
    tills[1]?.documents.clear();
    expect(await tills[1]?.differing()).toEqual([bucketOf('programme')]);
    const bucket = { kind: 'feed.bucket', bucket: bucketOf('programme'), after: null, limit: 10 } as const;
    expect((await answerBucket(database(), { ...bucket, collection: 'programme' })).documents).toMatchObject([
      { id: 'programme', version: version + 1, _deleted: false },
    ]);
    expect((await answerBucket(database(), { ...bucket, collection: 'offers' })).documents).toEqual([]);
  });

  test('a till that is too far behind is told to pull first', async () => {
    const till = new ModelTill(database(), 'customers');
    await till.pullAll();
    const insert = (count: number) =>
      sql`insert into customer (id, status, tier, points_at, created_at)
          select gen_random_uuid(), 'active', 'basic', 0, 0 from generate_series(1, ${count}::int)`.execute(
        database().db,
      );
    await insert(RANGE_CHANGED_MAX);
    expect(await till.differing()).toEqual([]);
    await insert(1);
    expect(await till.differing()).toBeUndefined();
    await till.pullAll(1_000);
    expect(await till.differing()).toEqual([]);
    await sql`delete from customer`.execute(database().db);
    expect(await till.differing()).toBeUndefined();
  });

  test('a bucket comes whole, page by page in the order of its keys, with an index', async () => {
    await sql`insert into customer (id, status, tier, points_at, created_at)
              select gen_random_uuid(), 'active', 'basic', 0, 0 from generate_series(1, 600)`.execute(
      database().db,
    );
    await sql`insert into credential (id, index, kind, scheme, customer_id, status, issued_at)
              select gen_random_uuid(), replace(replace(encode(sha256(id::text::bytea), 'base64'), '+', '-'), '/', '_'), 'card',
                     'house', id, 'active', 0 from customer`.execute(database().db);
    await sql`update customer set feed_part = 'north' where range_bucket % 2 = 0`.execute(database().db);
    for (const collection of ['credentials', 'customers'] as const) {
      for (const scope of [EVERYTHING, SOUTH_RECENT]) {
        const found = new Map<string, unknown>();
        for (let bucket = 0; bucket < 24; bucket += 1) {
          const keys: string[] = [];
          for (let after: string | null = null; ;) {
            const question = { kind: 'feed.bucket', collection, bucket, after, limit: 2 } as const;
            const answer: Awaited<ReturnType<typeof answerBucket>> = await answerBucket(
              database(),
              question,
              scope,
            );
            for (const { _deleted, ...document } of answer.documents) {
              expect(_deleted).toBe(false);
              const key = keyOf(collection, document);
              keys.push(key);
              found.set(key, document);
            }
            if (answer.next === null) break;
            expect(answer.next).toBe(keys.at(-1));
            after = answer.next;
          }
          expect(keys).toEqual(keys.toSorted());
          expect(keys.every((key) => bucketOf(key) === bucket)).toBe(true);
        }
        const all = [...(await view(collection, scope))];
        expect(found).toEqual(new Map(all.filter(([key]) => bucketOf(key) < 24)));
      }
    }
    await database().transaction(async (tx) => {
      for (const way of ['seqscan', 'bitmapscan'])
        await sql`set local ${sql.ref(`enable_${way}`)} = off`.execute(tx);
      for (const [table, key] of [
        ['credential', sql`f.index collate "C"`],
        ['customer', sql`f.id`],
      ] as const) {
        const { rows } = await sql<{ 'QUERY PLAN': string }>`
          explain select * from ${sql.table(table)} f where f.range_bucket = 7::smallint order by ${key} limit 10`.execute(
          tx,
        );
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan).toContain(`${table}_range`);
        expect(plan).not.toContain('Sort');
      }
    });
  });

  test('positions of another history or another scope are refused', async () => {
    const heads = (await readFeedHeads(database().db, database().epoch)).heads;
    for (const collection of replicaCollectionNames) {
      const at = heads[collection];
      const ask = (position: typeof at, scope?: FeedScope) =>
        answerRanges(database(), { kind: 'feed.ranges', collection, at: position }, scope);
      await expect(ask({ ...at, epoch: 'another' })).rejects.toMatchObject({ code: 'REP_EPOCH_CHANGED' });
      await expect(ask(at, NORTH)).rejects.toMatchObject({ code: 'REP_SNAPSHOT_REQUIRED' });
      expect(await ask(at)).toMatchObject({ behind: false });
    }
  });
}

/** Documents a database can hold: without zero bytes and half characters, and each with a key of its own. */
function distinct(
  documents: readonly JsonDocument[],
  collection: 'credentials' | 'customers',
): readonly JsonDocument[] {
  const sound = documents.filter((document) => {
    const json = JSON.stringify(document);
    return !json.includes(String.raw`\u0000`) && !/\\ud[89a-f]/i.test(json);
  });
  return [...new Map(sound.map((document) => [keyOf(collection, document), document])).values()];
}
