// Goal: whatever the contract allows comes out of the replica as it went in.
// Method: documents drawn at random within the zod schemas, one replica a run, pulled, closed and opened again.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pulledDocuments } from '../../../edge/replica/pulled-documents.ts';
import { identifierKinds } from '../../../sync/contract/credential.ts';
import {
  PROGRAMME_VERSION_MAX,
  purposes,
  replicaCollections,
} from '../../../sync/contract/replica-documents.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
} from '../../../sync/contract/replica-documents.ts';
import { FeedServer } from './feed-server.ts';
import { eventually, openReplica } from './replica-fixture.ts';

const text = (maxLength: number, minLength = 0) => fc.string({ minLength, maxLength, unit: 'binary' });
const instant = fc.integer({ min: 0, max: 8_640_000_000_000_000 });
const uuid = fc.uuid({ version: [4, 7] });
const labels = fc.record({ de: text(100), en: text(100) });
const whole = (min: number, max = Number.MAX_SAFE_INTEGER) => fc.integer({ min, max });

const credentials: fc.Arbitrary<CredentialDocument> = fc.record({
  index: fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => Buffer.from(bytes).toString('base64url')),
  kind: fc.constantFrom(...identifierKinds),
  customerId: fc.option(uuid),
  status: fc.constantFrom('active', 'blocked'),
  validUntil: fc.option(instant),
});

const customers: fc.Arbitrary<CustomerDocument> = fc.record({
  id: uuid,
  status: fc.constantFrom('active', 'blocked', 'closed'),
  tier: text(16, 1),
  points: whole(Number.MIN_SAFE_INTEGER),
  pointsAt: instant,
  purposes: fc.subarray([...purposes]),
  greeting: fc.option(text(30)),
});

const offers: fc.Arbitrary<OfferDocument> = fc.record(
  {
    id: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,63}$/),
    title: labels,
    validFrom: instant,
    validUntil: instant,
    tiers: fc.array(text(16, 1), { maxLength: 20 }),
    purpose: fc.constantFrom(...purposes),
    minTotalMinor: whole(1),
    articles: fc.array(text(32), { maxLength: 30 }),
    categories: fc.array(text(32), { maxLength: 30 }),
    reward: fc.oneof(
      fc.record({ kind: fc.constant('points' as const), points: whole(1, 1_000_000) }),
      fc.record({ kind: fc.constant('multiplier' as const), percent: whole(101, 10_000) }),
      fc.record({ kind: fc.constant('discount' as const), amountMinor: whole(1) }),
      fc.record({ kind: fc.constant('percent' as const), percent: whole(1, 100) }),
    ),
  },
  { requiredKeys: ['id', 'title', 'validFrom', 'validUntil', 'reward'] },
);

const programmes: fc.Arbitrary<ProgrammeDocument> = fc.record({
  id: fc.constant('programme' as const),
  version: whole(1, PROGRAMME_VERSION_MAX),
  currency: fc.constantFrom('EUR' as const),
  earn: fc.record({
    points: whole(0, 10_000),
    perMinor: whole(1, 1_000_000),
    excludedCategories: fc.array(text(32), { maxLength: 20 }),
  }),
  tiers: fc.array(fc.record({ id: text(16, 1), name: labels, earnPercent: whole(0, 10_000) }), {
    minLength: 1,
    maxLength: 20,
  }),
  staleAfterMs: whole(60_000),
});

describe('a document of the feed', () => {
  test('of every shape the contract allows is stored as it is', async () => {
    const many = { minLength: 1, maxLength: 40 };
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(credentials, { ...many, selector: ({ index }) => index }),
        fc.uniqueArray(customers, { ...many, selector: ({ id }) => id }),
        fc.uniqueArray(offers, { ...many, maxLength: 10, selector: ({ id }) => id }),
        programmes,
        async (someCredentials, someCustomers, someOffers, programme) => {
          for (const drawn of someOffers) replicaCollections.offers.document.parse(drawn);
          const server = new FeedServer();
          server.put('credentials', ...someCredentials);
          server.put('customers', ...someCustomers);
          server.put('offers', ...someOffers);
          server.put('programme', programme);
          const loading = await openReplica();
          loading.replica.follow(server);
          await eventually(() => expect(loading.replica.note.caughtUpAt).not.toBeNull());
          await loading.replica.close();
          const { replica, reader } = await openReplica({ file: loading.file });
          for (const document of someCredentials) expect(reader.credential(document.index)).toEqual(document);
          for (const document of someCustomers) expect(reader.customer(document.id)).toEqual(document);
          const byId = (a: OfferDocument, b: OfferDocument) => (a.id < b.id ? -1 : 1);
          expect(reader.offers().toSorted(byId)).toEqual(someOffers.toSorted(byId));
          expect(reader.programme()).toEqual(programme);
          await replica.close();
        },
      ),
      { numRuns: 5 },
    );
  });

  test('that is malformed refuses its page, a tombstone without an id too', () => {
    const page = (documents: { readonly [field: string]: unknown; readonly _deleted: boolean }[]) => ({
      documents,
      position: { epoch: 'first', xid: '1', seq: 0 },
      more: false,
    });
    for (const document of [
      { _deleted: true },
      { id: '', _deleted: true },
      { id: 7, _deleted: true },
      { id: 'x', _deleted: false },
    ]) {
      expect(() => pulledDocuments('customers', page([document]))).toThrow('WIRE_MALFORMED');
    }
  });
});
