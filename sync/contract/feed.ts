import { z } from 'zod';
import { StoreId } from './ids.ts';
import { replicaCollectionNames } from './replica-documents.ts';

const Xid = z
  .string()
  .regex(/^\d{1,20}$/)
  .describe('64-bit transaction id as a decimal string');

/**
 * A position in the server's change feed: (xid, seq) in the database's commit order, within an epoch. Another epoch
 * means another history (a restored or replaced server): positions do not compare across epochs. A till keeps a position
 * as it got it and gives it back so.
 */
export const FeedPosition = z.strictObject({
  epoch: z.string().min(1).max(64),
  xid: Xid,
  seq: z.int().min(0),
  scope: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional()
    .describe('Of which part of the customer base it was read; absent for all of it'),
  floor: z
    .strictObject({ xid: Xid, seq: z.int().min(0) })
    .optional()
    .describe('Where the feed ended when the till began to pull from nothing; absent once it is past that'),
});
export type FeedPosition = z.infer<typeof FeedPosition>;

/** A document as it travels to a till: its fields, and whether it is gone. Of one that is gone only the key is told. */
export const ReplicaDocument = z.looseObject({ _deleted: z.boolean() });

/** Asks for what changed in a collection after a position. */
export const FeedPageRequest = z.strictObject({
  kind: z.literal('feed.page'),
  collection: z.enum(replicaCollectionNames),
  after: FeedPosition.nullable().describe('null: from the beginning'),
  limit: z.int().min(1).max(10_000),
  store: StoreId.optional().describe('Where the till stands; decides what its replica holds'),
});
export type FeedPageRequest = z.infer<typeof FeedPageRequest>;

/** One reply may hold fewer documents than asked for, to keep the packet small; only `more: false` means the end. */
export const FeedPage = z.strictObject({
  documents: z.array(ReplicaDocument).max(10_000).describe('Documents of the collection, each with _deleted'),
  position: FeedPosition.describe('Where the next page starts'),
  more: z.boolean(),
  behindMs: z
    .int()
    .min(0)
    .optional()
    .describe(
      'What was committed since this long before the answer may be missing; absent while nothing is held back',
    ),
});
export type FeedPage = z.infer<typeof FeedPage>;

export const FeedPageAnswer = z.strictObject({ kind: z.literal('feed.page'), page: FeedPage });

/** Where each collection of the feed stands; retained, so a till that connects learns at once whether it is behind. */
export const FeedHead = z.strictObject({
  heads: z.strictObject({
    credentials: FeedPosition,
    customers: FeedPosition,
    offers: FeedPosition,
    programme: FeedPosition,
  }),
});
export type FeedHead = z.infer<typeof FeedHead>;

/** True when `head` lies after `position` in the same epoch, or in another epoch altogether. */
export function isBehind(position: FeedPosition | undefined, head: FeedPosition): boolean {
  if (position === undefined || position.epoch !== head.epoch) return true;
  const [xid, headXid] = [BigInt(position.xid), BigInt(head.xid)];
  return xid < headXid || (xid === headXid && position.seq < head.seq);
}
