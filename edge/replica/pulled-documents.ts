import type { WithDeleted } from 'rxdb';
import { StammkundeError } from '../../foundation/errors.ts';
import type { FeedPage } from '../../sync/contract/feed.ts';
import type { ReplicaCollection, ReplicaDocuments } from '../../sync/contract/replica-documents.ts';
import { replicaCollections } from '../../sync/contract/replica-documents.ts';
import { check } from '../../sync/contract/wire.ts';

/**
 * A page's documents, each checked against its collection's schema. One that does not fit refuses the whole page:
 * leaving it out would make a hole nobody sees, while a refused page shows as a replica that grows old.
 * @throws StammkundeError WIRE_MALFORMED
 */
export function pulledDocuments<C extends ReplicaCollection>(
  collection: C,
  page: FeedPage,
): WithDeleted<ReplicaDocuments[C]>[] {
  const { document: schema, primaryKey } = replicaCollections[collection];
  return page.documents.map(({ _deleted, ...document }) => {
    if (_deleted) {
      const key = document[primaryKey];
      if (typeof key !== 'string' || key === '')
        throw new StammkundeError('WIRE_MALFORMED', `a ${collection} tombstone has no ${primaryKey}`);
    } else {
      check(document, schema);
    }
    // Checked just above; a tombstone carries its key alone, which is all RxDB needs to delete.
    return { ...document, _deleted } as unknown as WithDeleted<ReplicaDocuments[C]>;
  });
}
