import type { SnapshotChunk, SnapshotOfferAnswer } from '../../../sync/contract/snapshot.ts';

/** Where snapshots come from: the SnapshotClient, in this thread or behind a port. */
export interface SnapshotSource {
  /**
   * Asks for a snapshot.
   * @param have the manifest that is being loaded, if one is
   * @throws StammkundeError BUS_UNREACHABLE · BUS_TIMEOUT · the code the server refuses with
   */
  offer(have: string | null): Promise<SnapshotOfferAnswer>;
  /**
   * The bytes of a chunk, verified by its SHA-256.
   * @throws StammkundeError REP_CHUNK_GONE · REP_CHUNK_WRONG · BUS_UNREACHABLE · BUS_TIMEOUT; the signal's reason
   */
  chunk(chunk: Pick<SnapshotChunk, 'sha256' | 'bytes'>, signal: AbortSignal): Promise<Buffer>;
  /** The offer should be asked for again before the next chunk. */
  readonly isOfferOld: boolean;
}
