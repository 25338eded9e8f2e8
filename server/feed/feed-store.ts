import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { StammkundeError } from '../../foundation/errors.ts';
import type { FeedHead, FeedPage, FeedPageRequest, FeedPosition } from '../../sync/contract/feed.ts';
import type { Answer } from '../../sync/contract/messages.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  ReplicaCollection,
  ReplicaDocuments,
} from '../../sync/contract/replica-documents.ts';
import type { Queries } from '../database/database.ts';
import type { CredentialTable, CustomerTable } from '../database/tables.ts';

/** JSON of one page at most, in bytes; a page always holds at least one document. */
const PAGE_JSON_BYTES_MAX = 512 * 1024;
/** Before everything. */
const START = { xid: '0', seq: 0 } as const;

interface PositionRow {
  readonly at_xid: string;
  readonly at_seq: number;
}

/**
 * What changed in a collection after a position, oldest first. Rows of transactions that might still be preceded by
 * one in progress are left for the next page: `pg_snapshot_xmin` is the oldest transaction still running, so whatever
 * is committed below it is complete. `more: false` therefore means "no more for now".
 */
export async function readFeedPage(db: Queries, epoch: string, request: FeedPageRequest): Promise<FeedPage> {
  const rows = await readers[request.collection](db, request.after ?? START, request.limit);
  const documents: FeedPage['documents'] = [];
  let bytes = 0;
  let last: { readonly xid: string; readonly seq: number } = request.after ?? START;
  let cut = false;
  for (const row of rows) {
    const size = Buffer.byteLength(JSON.stringify(row.document));
    if (documents.length > 0 && bytes + size > PAGE_JSON_BYTES_MAX) {
      cut = true;
      break;
    }
    bytes += size;
    documents.push({ ...row.document, _deleted: row.deleted });
    last = { xid: row.at_xid, seq: row.at_seq };
  }
  return {
    documents,
    position: { epoch, xid: last.xid, seq: last.seq },
    more: cut || rows.length === request.limit,
  };
}

/**
 * A page as the answer to a till that asked for it.
 * @throws StammkundeError REP_EPOCH_CHANGED when it asks from a position in another history
 */
export async function answerFeedPage(
  { db, epoch }: { readonly db: Queries; readonly epoch: string },
  question: FeedPageRequest,
): Promise<Answer<'feed.page'>> {
  if (question.after !== null && question.after.epoch !== epoch) {
    throw new StammkundeError('REP_EPOCH_CHANGED', 'the position belongs to another history');
  }
  return { kind: 'feed.page', page: await readFeedPage(db, epoch, question) };
}

/** Where each collection stands, by the same rule as {@link readFeedPage}. */
export async function readFeedHeads(db: Queries, epoch: string): Promise<FeedHead> {
  const { rows } = await sql<PositionRow & { collection: ReplicaCollection }>`
    ${sql.join(
      (['credentials', 'customers', 'offers', 'programme'] as const).map(
        (collection) => sql`(
          select ${sql.lit(collection)} as collection, f.xid::text as at_xid, f.seq as at_seq
          from ${tableOf[collection]} f
          where f.xid < pg_snapshot_xmin(pg_current_snapshot())
          order by f.xid desc, f.seq desc limit 1)`,
      ),
      sql` union all `,
    )}`.execute(db);
  const headOf = (collection: ReplicaCollection): FeedPosition => {
    const row = rows.find((candidate) => candidate.collection === collection);
    return { epoch, xid: row?.at_xid ?? START.xid, seq: row?.at_seq ?? START.seq };
  };
  return {
    heads: {
      credentials: headOf('credentials'),
      customers: headOf('customers'),
      offers: headOf('offers'),
      programme: headOf('programme'),
    },
  };
}

const tableOf: Record<ReplicaCollection, RawBuilder<unknown>> = {
  credentials: sql`credential`,
  customers: sql`customer`,
  offers: sql`offer`,
  programme: sql`programme`,
};

interface FeedRow<C extends ReplicaCollection> extends PositionRow {
  readonly document: ReplicaDocuments[C];
  readonly deleted: boolean;
}

type Reader<C extends ReplicaCollection> = (
  db: Queries,
  after: { readonly xid: string; readonly seq: number },
  limit: number,
) => Promise<readonly FeedRow<C>[]>;

/**
 * The rows after a position. Positions are selected under names of their own: with `xid::text as xid` in the list,
 * `order by xid` would sort the text.
 */
async function rowsAfter<Row>(
  db: Queries,
  collection: ReplicaCollection,
  columns: RawBuilder<unknown>,
  after: { readonly xid: string; readonly seq: number },
  limit: number,
): Promise<readonly (Row & PositionRow)[]> {
  const { rows } = await sql<Row & PositionRow>`
    select ${columns}, f.xid::text as at_xid, f.seq as at_seq
    from ${tableOf[collection]} f
    where (f.xid, f.seq) > (${after.xid}::xid8, ${after.seq}::bigint)
      and f.xid < pg_snapshot_xmin(pg_current_snapshot())
    order by f.xid, f.seq limit ${limit}::bigint`.execute(db);
  return rows;
}

const readers: { readonly [C in ReplicaCollection]: Reader<C> } = {
  async credentials(db, after, limit) {
    const columns = sql`f.index, f.kind, f.customer_id, f.status, f.valid_until, f.public_key`;
    const rows = await rowsAfter<CredentialRow>(db, 'credentials', columns, after, limit);
    return rows.map((row) => ({ ...positionOf(row), document: credentialDocument(row), deleted: false }));
  },
  async customers(db, after, limit) {
    const columns = sql`f.id, f.status, f.tier, f.points, f.points_at, f.purposes, f.greeting`;
    const rows = await rowsAfter<CustomerRow>(db, 'customers', columns, after, limit);
    return rows.map((row) => ({ ...positionOf(row), document: customerDocument(row), deleted: false }));
  },
  async offers(db, after, limit) {
    const columns = sql`f.document, f.deleted`;
    type Row = { document: OfferDocument; deleted: boolean };
    const rows = await rowsAfter<Row>(db, 'offers', columns, after, limit);
    return rows.map((row) => ({ ...positionOf(row), document: row.document, deleted: row.deleted }));
  },
  async programme(db, after, limit) {
    // All versions share one document id and a later version has a later position, so the newest one wins.
    type Row = { document: ProgrammeDocument };
    const rows = await rowsAfter<Row>(db, 'programme', sql`f.document`, after, limit);
    return rows.map((row) => ({ ...positionOf(row), document: row.document, deleted: false }));
  },
};

function positionOf(row: PositionRow): PositionRow {
  return { at_xid: row.at_xid, at_seq: row.at_seq };
}

export type CredentialRow = Pick<
  CredentialTable,
  'index' | 'kind' | 'customer_id' | 'status' | 'valid_until' | 'public_key'
>;

/** A credential as tills get it. */
export function credentialDocument(row: CredentialRow): CredentialDocument {
  return {
    index: row.index,
    kind: row.kind,
    customerId: row.customer_id,
    status: row.status,
    validUntil: row.valid_until,
    ...(row.public_key === null ? {} : { publicKey: row.public_key }),
  };
}

export type CustomerRow = Pick<
  CustomerTable,
  'id' | 'status' | 'tier' | 'points' | 'points_at' | 'purposes' | 'greeting'
>;

/** A customer as tills get it: the first name only with the consent to it. */
export function customerDocument(row: CustomerRow): CustomerDocument {
  return {
    id: row.id,
    status: row.status,
    tier: row.tier,
    points: row.points,
    pointsAt: row.points_at,
    purposes: row.purposes,
    greeting: row.purposes.includes('greeting') ? row.greeting : null,
  };
}
