import { z } from 'zod';
import { keyProtections } from '../../foundation/secret-source.ts';
import { IDENTIFIER_KEYS_MAX } from './blind-index.ts';
import { AppCodeAnswer, AppCodeConfirm, RotatingCodeAnswer, RotatingCodeVerify } from './code-requests.ts';
import { FeedHead, FeedPageAnswer, FeedPageRequest } from './feed.ts';
import { InstantMs, TillId, Uuid } from './ids.ts';
import { Hash, JournalEntry } from './journal-entry.ts';
import { BucketAnswer, BucketRequest, RangesAnswer, RangesRequest } from './ranges.ts';
import { LookupAnswer, LookupRequest } from './lookup.ts';
import { CredentialDocument, CustomerDocument } from './replica-documents.ts';
import { FeedPosition } from './feed.ts';
import {
  PointsAllowanceAnswer,
  PointsAllowanceRequest,
  PointsReleaseAnswer,
  PointsReleaseRequest,
  PointsReserveAnswer,
  PointsReserveRequest,
} from './redemption.ts';
import {
  SnapshotChunkAnswer,
  SnapshotChunkRequest,
  SnapshotOfferAnswer,
  SnapshotOfferRequest,
} from './snapshot.ts';

/** Most entries in one batch. */
export const BATCH_ENTRIES_MAX = 500;

/** till → server: contiguous entries of the journal. */
export const JournalBatch = z
  .strictObject({
    till: TillId,
    incarnation: Uuid,
    entries: z.array(JournalEntry).min(1).max(BATCH_ENTRIES_MAX),
  })
  .refine(
    (batch) => batch.entries.every((entry, i) => entry.seq === (batch.entries[0]?.seq ?? 0) + i),
    'sequence numbers are contiguous',
  );
export type JournalBatch = z.infer<typeof JournalBatch>;

/** What became of an entry at the server. `refused` and `conflict` are kept in quarantine, never merged. */
export const EntryVerdict = z.strictObject({
  seq: z.int().min(1),
  verdict: z.enum(['created', 'exists', 'conflict', 'refused']),
  code: z.string().max(64).optional().describe('Why, for conflict and refused'),
});
export type EntryVerdict = z.infer<typeof EntryVerdict>;

/**
 * server → till: what is committed, read from the database. Every entry up to `contiguous` is on the server if, and
 * only if, the till's own hash at `contiguous` equals `hash`.
 */
export const Receipt = z.strictObject({
  incarnation: Uuid,
  contiguous: z.int().min(0),
  hash: Hash.nullable().describe('Hash of the entry at `contiguous`; null when that is 0'),
  holes: z
    .array(z.tuple([z.int(), z.int()]))
    .max(100)
    .describe('Missing [from, to] ranges beyond contiguous'),
  verdicts: z.array(EntryVerdict).max(BATCH_ENTRIES_MAX),
  serverTime: InstantMs,
});
export type Receipt = z.infer<typeof Receipt>;

/** What a till may ask. */
const Question = z.discriminatedUnion('kind', [
  FeedPageRequest,
  RangesRequest,
  BucketRequest,
  SnapshotOfferRequest,
  SnapshotChunkRequest,
  AppCodeConfirm,
  RotatingCodeVerify,
  LookupRequest,
  PointsReserveRequest,
  PointsReleaseRequest,
  PointsAllowanceRequest,
]);
type AnyQuestion = z.infer<typeof Question>;
export type QuestionKind = AnyQuestion['kind'];
export type Question<K extends QuestionKind = QuestionKind> = Extract<AnyQuestion, { readonly kind: K }>;

/** At the till a customer waits for the answer: these never stand behind those that load a replica. */
export const waitedFor: ReadonlySet<QuestionKind> = new Set<QuestionKind>([
  'app-code.confirm',
  'rotating-code.verify',
  'credential.lookup',
  'points.reserve',
]);

/** What it is answered: each kind of question has the answer of its kind. */
const Answer = z.discriminatedUnion('kind', [
  FeedPageAnswer,
  RangesAnswer,
  BucketAnswer,
  SnapshotOfferAnswer,
  SnapshotChunkAnswer,
  AppCodeAnswer,
  RotatingCodeAnswer,
  LookupAnswer,
  PointsReserveAnswer,
  PointsReleaseAnswer,
  PointsAllowanceAnswer,
]);
type AnyAnswer = z.infer<typeof Answer>;
export type Answer<K extends QuestionKind = QuestionKind> = Extract<AnyAnswer, { readonly kind: K }>;

/** till → server: asks something; the answer names the same requestId. */
export const Request = z.strictObject({ till: TillId, requestId: Uuid, body: Question });
export type Request = z.infer<typeof Request>;

/** server → till. `serverTime` is when the answer was made: it answers a question just asked, so it is no old one. */
export const Response = z.discriminatedUnion('ok', [
  z.strictObject({
    requestId: Uuid,
    ok: z.literal(true),
    serverTime: InstantMs.optional(),
    answer: Answer,
  }),
  z.strictObject({
    requestId: Uuid,
    ok: z.literal(false),
    serverTime: InstantMs.optional(),
    code: z.string().max(64),
    message: z.string().max(500),
  }),
]);
export type Response = z.infer<typeof Response>;

/** till → server, retained, and the broker's last will: is the till there, and is it well. */
export const TillState = z.strictObject({
  till: TillId,
  incarnation: Uuid,
  session: z.int().min(1).describe('Grows with each connection; a late death of an older session is ignored'),
  online: z.boolean(),
  at: InstantMs,
  version: z.string().max(40),
  health: z
    .strictObject({
      unconfirmed: z.int().min(0),
      diverged: z.boolean().describe('Its journal and the server’s copy do not fit together'),
      replicaAgeMs: z.number().nullable().describe('null before the first complete pull'),
      readers: z.array(z.strictObject({ id: z.string().max(64), status: z.string().max(20) })).max(50),
      keyProtection: z
        .enum(keyProtections)
        .optional()
        .describe('How the till’s keys rest: file is to be flagged, a stolen disk has them in the clear'),
      identifierKeys: z
        .array(z.string().regex(/^[0-9a-f]{16}$/))
        .max(IDENTIFIER_KEYS_MAX)
        .optional()
        .describe('Names of the identifier keys the till holds, oldest first'),
    })
    .optional()
    .describe('Absent in the last will'),
});
export type TillState = z.infer<typeof TillState>;

/** server → all: what must be effective before any bulk: blocked cards, changed consents, closed customers, erasures. */
export const FeedUrgent = z.strictObject({
  position: FeedPosition.describe('The change is in the feed at this position or before'),
  credentials: z.array(CredentialDocument).max(1_000),
  customers: z.array(CustomerDocument).max(1_000),
  erased: z
    .strictObject({
      credentials: z.array(CredentialDocument.shape.index).max(1_000).describe('Blind indexes'),
      customers: z.array(CustomerDocument.shape.id).max(1_000),
    })
    .optional()
    .describe('What is gone for good: to a till it must be as if it had never been, from now on'),
});
export type FeedUrgent = z.infer<typeof FeedUrgent>;

/** server → till: an order. */
export const Command = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('reseed').describe('Drop the replica and load it anew') }),
  z.strictObject({
    kind: z.literal('receipt').describe('Send everything after `contiguous` again'),
    contiguous: z.int().min(0),
  }),
  z.strictObject({
    kind: z.literal('wipe').describe('Destroy the keys, then the data, and do not start again'),
    incarnation: Uuid.nullable().describe(
      'The journal that is meant: a till enrolled anew under the same name is not; null: any',
    ),
  }),
]);
export type Command = z.infer<typeof Command>;

/** The bodies a server signs, by kind. */
export const serverBodies = {
  receipt: Receipt,
  response: Response,
  command: Command,
  head: FeedHead,
  urgent: FeedUrgent,
} as const;
export type ServerBodyKind = keyof typeof serverBodies;
