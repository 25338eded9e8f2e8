import { isDeepStrictEqual } from 'node:util';
import { createRevision, now } from 'rxdb';
import type { BulkWriteRow, RxDocumentData, RxDocumentWriteData, RxJsonSchema } from 'rxdb';
import type { Repairs } from './store.ts';

/** What a repair must know of the collection. */
export interface RepairedCollection<T> {
  readonly primaryPath: string;
  /** Top-level fields a tombstone keeps: those the primary key is made of. */
  readonly keyFields: readonly string[];
  /** Goes into the revisions. */
  readonly token: string;
  stored(id: string): RxDocumentData<T> | undefined;
}

/** The rows that bring a collection to what `repairs` says; each follows on what is stored, so none can conflict. */
export function repair<T>(
  repairs: Repairs<T>,
  collection: RepairedCollection<T>,
): { readonly rows: readonly BulkWriteRow<T>[]; readonly unchanged: number } {
  const rows = new Map<string, BulkWriteRow<T>>();
  let unchanged = 0;
  const follow = (
    id: string,
    content: object,
    deleted: boolean,
    previous: RxDocumentData<T> | undefined,
  ): void => {
    // The content is a document of T, or a tombstone, of which RxDB asks nothing but the key.
    const document = {
      ...content,
      _deleted: deleted,
      _attachments: {},
      _meta: { ...previous?._meta, lwt: now() },
      _rev: createRevision(collection.token, previous),
    } as unknown as RxDocumentWriteData<T>;
    rows.set(id, previous === undefined ? { document } : { previous, document });
  };
  for (const document of repairs.put) {
    const content = withoutOwnFields(document as object);
    const id = String(Reflect.get(content, collection.primaryPath));
    const previous = collection.stored(id);
    if (previous !== undefined && !previous._deleted && sameContent(previous, content)) unchanged += 1;
    else follow(id, content, false, previous);
  }
  for (const id of repairs.delete) {
    const previous = collection.stored(id);
    if (previous === undefined || previous._deleted) unchanged += 1;
    else {
      const kept = collection.keyFields.map((field) => [field, Reflect.get(previous, field)] as const);
      follow(id, Object.fromEntries(kept), true, previous);
    }
  }
  return { rows: [...rows.values()], unchanged };
}

/** The top-level fields that a schema's primary key is taken from, and the key itself. */
export function keyFieldsOf<T>(schema: Readonly<RxJsonSchema<RxDocumentData<T>>>): readonly string[] {
  const { primaryKey } = schema;
  if (typeof primaryKey === 'string') return [primaryKey];
  const fields = primaryKey.fields.map((path) => String(path).split('.')[0] ?? '');
  return [...new Set([String(primaryKey.key), ...fields])];
}

const OWN_FIELDS: ReadonlySet<string> = new Set(['_deleted', '_attachments', '_meta', '_rev']);

function withoutOwnFields(document: object): object {
  return Object.fromEntries(Object.entries(document).filter(([field]) => !OWN_FIELDS.has(field)));
}

/** Compared as both would be stored: what is undefined is not there. */
function sameContent(stored: object, wanted: object): boolean {
  return isDeepStrictEqual(withoutOwnFields(stored), JSON.parse(JSON.stringify(wanted)));
}
