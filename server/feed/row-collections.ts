import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import type { ReplicaCollection } from '../../sync/contract/replica-documents.ts';
import { inScope } from './scope.ts';
import type { FeedScope } from './scope.ts';
import { credentialDocument, customerDocument } from './documents.ts';
import type { CredentialRow, CustomerRow } from './documents.ts';

/** The table each collection is made of. */
export const tableOf: Record<ReplicaCollection, RawBuilder<unknown>> = {
  credentials: sql`credential`,
  customers: sql`customer`,
  offers: sql`offer`,
  programme: sql`programme`,
};

/** The large collections: their rows lie in scopes, leave tombstones, and are hashed by the database. */
export type RowCollection = 'credentials' | 'customers';

export function isRowCollection(collection: ReplicaCollection): collection is RowCollection {
  return collection === 'credentials' || collection === 'customers';
}

/** How the rows of a collection are read; a row is called `f` in it, a tombstone `t`. */
export interface RowAccess {
  readonly columns: RawBuilder<unknown>;
  /** The same columns of a tombstone: nothing but the key. */
  readonly goneColumns: RawBuilder<unknown>;
  /** The key as text. */
  readonly key: RawBuilder<unknown>;
  /** The key as it is sorted in its bucket. */
  readonly sortKey: RawBuilder<unknown>;
  /** A key, given as text, in the type of {@link sortKey}. */
  readonly keyValue: (text: string) => RawBuilder<unknown>;
  /** The row is of the tombstone's key. */
  readonly isOfTombstone: RawBuilder<unknown>;
  /** What a till gets of a row, or of a tombstone. */
  readonly document: (row: unknown, gone: boolean) => Readonly<Record<string, unknown>>;
}

export const rowAccess: Record<RowCollection, RowAccess> = {
  credentials: {
    columns: sql`f.index, f.kind, f.customer_id, f.status, f.valid_until, f.public_key`,
    goneColumns: sql`t.key, null::text, null::uuid, null::text, null::bigint, null::text`,
    key: sql`f.index`,
    sortKey: sql`f.index collate "C"`,
    keyValue: (text) => sql`${text}::text`,
    isOfTombstone: sql`f.index = t.key`,
    document: (row, gone) => {
      // The row was selected with the columns above.
      const credential = row as CredentialRow;
      return gone ? { index: credential.index } : credentialDocument(credential);
    },
  },
  customers: {
    columns: sql`f.id, f.status, f.tier, f.points, f.points_at, f.purposes, f.greeting`,
    goneColumns: sql`t.key::uuid, null::text, null::text, null::bigint, null::bigint, null::text[], null::text`,
    key: sql`f.id::text`,
    sortKey: sql`f.id`,
    keyValue: (text) => sql`${text}::uuid`,
    isOfTombstone: sql`f.id = t.key::uuid`,
    document: (row, gone) => {
      // The row was selected with the columns above.
      const customer = row as CustomerRow;
      return gone ? { id: customer.id } : customerDocument(customer);
    },
  },
};

/**
 * A condition that holds for tombstones of what is not in the scope in another way. `offset 0` keeps it a look into the
 * index for each of them: the planner knows no better than to guess how many there are, and would read the whole table.
 */
export function isGone(collection: RowCollection, scope: FeedScope): RawBuilder<unknown> {
  return sql`not exists (select from ${tableOf[collection]} f
    where ${rowAccess[collection].isOfTombstone} and ${inScope(scope, sql`f.feed_part`)} offset 0)`;
}
