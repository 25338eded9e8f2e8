import { z } from 'zod';
import { FeedPosition } from './feed.ts';
import { InstantMs, StoreId } from './ids.ts';

/**
 * A snapshot is the customer base at a position of the feed, cut into chunks, for a till that has nothing yet. A chunk
 * is documents of one collection, one in each line as JSON, in the order of their keys, compressed with zstd (RFC 8878),
 * and is called by the SHA-256 of the compressed bytes: an unchanged chunk keeps its name from snapshot to snapshot.
 *
 * It is fuzzy and sound: the positions were taken first, and every document is as it was then or later. What changed
 * since, deletions included, is in the feed behind the positions. The offers and the programme are not in it: a page of
 * the feed brings them.
 */
export const snapshotCollections = ['credentials', 'customers'] as const;
export type SnapshotCollection = (typeof snapshotCollections)[number];

/** Bytes of a chunk at most, compressed and unpacked: what a till must hold of it in memory. */
export const CHUNK_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of a chunk one answer brings at most. */
export const CHUNK_SLICE_BYTES_MAX = 256 * 1024;
const CHUNKS_MAX = 20_000;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const Key = z.string().min(1).max(64);

export const SnapshotChunk = z.strictObject({
  collection: z.enum(snapshotCollections),
  sha256: Sha256.describe('Of the compressed bytes'),
  bytes: z.int().min(1).max(CHUNK_BYTES_MAX),
  unpackedBytes: z.int().min(1).max(CHUNK_BYTES_MAX),
  documents: z.int().min(1).max(1_000_000),
  first: Key.describe('Primary key of its first document'),
  last: Key,
});
export type SnapshotChunk = z.infer<typeof SnapshotChunk>;

/** Of which snapshots of parts of the customer base it is made, by their numbers. */
const ManifestId = z
  .string()
  .max(2_000)
  .regex(/^\d+(?:\+\d+)*$/);

export const SnapshotManifest = z.strictObject({
  id: ManifestId,
  madeAt: InstantMs,
  positions: z
    .strictObject({ credentials: FeedPosition, customers: FeedPosition })
    .describe('Where the feed goes on once all chunks are loaded'),
  documents: z.strictObject({ credentials: z.int().min(0), customers: z.int().min(0) }),
  chunks: z.array(SnapshotChunk).max(CHUNKS_MAX).describe('In the order in which they load fastest'),
});
export type SnapshotManifest = z.infer<typeof SnapshotManifest>;

/** Where chunks are fetched by HTTP: `{url}/v1/snapshots/chunks/{sha256}` with the ticket as bearer token. */
export const SnapshotDownload = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).max(500),
  ticket: z.string().min(1).max(200),
  expiresAt: InstantMs,
});
export type SnapshotDownload = z.infer<typeof SnapshotDownload>;

/** Asks for a snapshot. */
export const SnapshotOfferRequest = z.strictObject({
  kind: z.literal('snapshot.offer'),
  have: ManifestId.nullable().describe(
    'What the till is loading already; it is offered again where it can be',
  ),
  store: StoreId.optional().describe('Where the till stands; decides what its replica holds'),
});
export type SnapshotOfferRequest = z.infer<typeof SnapshotOfferRequest>;

export const SnapshotOfferAnswer = z.discriminatedUnion('offer', [
  z.strictObject({
    kind: z.literal('snapshot.offer'),
    offer: z.literal('ready'),
    manifest: SnapshotManifest,
    http: SnapshotDownload.nullable().describe('null: in MQTT messages alone'),
  }),
  z.strictObject({
    kind: z.literal('snapshot.offer'),
    offer: z.literal('making').describe('It is being made: ask again'),
    retryInMs: z.int().min(100).max(600_000),
  }),
  z.strictObject({
    kind: z.literal('snapshot.offer'),
    offer: z.literal('none').describe('Pull page by page: there is little to load, or snapshots are off'),
  }),
]);
export type SnapshotOfferAnswer = z.infer<typeof SnapshotOfferAnswer>;

/** Asks for some of a chunk's bytes. */
export const SnapshotChunkRequest = z.strictObject({
  kind: z.literal('snapshot.chunk'),
  sha256: Sha256,
  offset: z.int().min(0).max(CHUNK_BYTES_MAX),
  length: z.int().min(1).max(CHUNK_SLICE_BYTES_MAX),
});
export type SnapshotChunkRequest = z.infer<typeof SnapshotChunkRequest>;

export const SnapshotChunkAnswer = z.strictObject({
  kind: z.literal('snapshot.chunk'),
  bytes: z
    .base64()
    .max(Math.ceil(CHUNK_SLICE_BYTES_MAX / 3) * 4)
    .describe('From the offset on, as many as were asked for or there are'),
  total: z.int().min(1).max(CHUNK_BYTES_MAX).describe('Bytes of the whole chunk'),
});
export type SnapshotChunkAnswer = z.infer<typeof SnapshotChunkAnswer>;
