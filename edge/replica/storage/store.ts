import type { PreparedQuery, RxDocumentData } from 'rxdb';
import type { BucketDigest } from './digests.ts';
import type { Mark } from './marks.ts';
import type { Recount } from './recount.ts';

/** Documents as another party has them, without RxDB's own fields. */
export interface Repairs<T> {
  /** Documents that shall be there exactly like this. */
  readonly put: readonly T[];
  /** Primary keys of documents that shall not be there. */
  readonly delete: readonly string[];
}

/** What a repair came to: how many documents it wrote, deleted, and found to be right. */
export interface Repaired {
  readonly written: number;
  readonly deleted: number;
  readonly unchanged: number;
}

/** The way into a collection beside RxDB: synchronous, and without a cache that grows. */
export interface SqliteStore<T> {
  /**
   * One document by primary key, deleted or not, read at once. Answers also while the database is poisoned, from
   * what was committed before.
   * @throws StammkundeError REP_POISONED when the file is damaged
   */
  readById(id: string): RxDocumentData<T> | undefined;
  /** Documents that are not deleted; costs one read however many there are. */
  liveCount(): number;
  /**
   * Loads documents that are not there yet, in one transaction and without events, filling in what RxDB expects
   * (`_deleted`, `_attachments`, `_meta`, `_rev`). For snapshots, before the collection is used. A few thousand at a
   * time keep the event loop free; in the order of their ids they load fastest. With a `mark`, documents and mark are
   * committed together or not at all: after a crash it tells how far the loading came. Later pulls of a replication
   * that only pulls overwrite what was loaded, as they do with what they wrote themselves.
   * @throws StammkundeError REP_POISONED
   */
  bulkLoad(documents: readonly T[], mark?: Mark): { readonly loaded: number; readonly skipped: number };
  /**
   * Puts documents in the collection as they are elsewhere, and deletes others, in one transaction, past RxDB's
   * conflicts: whatever is stored, a new revision of it is written. What is right already stays as it is. A deleted
   * document leaves a tombstone with nothing but its key. Emits what it changed with the context `repair`, so that RxDB's
   * documents and queries follow. Not for collections with attachments.
   * @throws StammkundeError REP_POISONED
   */
  repair(repairs: Repairs<T>): Repaired;
  /**
   * The collection's 256 buckets, as they were kept up with every write since it was empty. Says what the storage did,
   * not what the disk still holds: that says {@link SqliteStore.recount}. Answers while poisoned, as `readById`.
   * @throws ProgrammerError when the setting `digests` names no function for this collection
   */
  digests(): readonly BucketDigest[];
  /**
   * Begins to compute the digests anew from the rows on the disk, in slices of the caller's size. One at a time: a
   * recount that was under way is closed by the next.
   * @throws ProgrammerError as `digests` does; StammkundeError REP_POISONED
   */
  recount(): Recount;
  /**
   * A mark by its name, or undefined. Marks belong to the file: all its collections share them.
   * @throws StammkundeError REP_POISONED when the file is damaged
   */
  readMark(name: string): string | undefined;
  /** Sets or removes a mark on its own. @throws StammkundeError REP_POISONED */
  writeMark(mark: Mark): void;
  /**
   * Returns when all that was committed is in the file itself and on the medium, its name in the folder included: then
   * the file can be closed and renamed. (Close it first: the WAL beside it goes by the old name.) One slice: writes back
   * at most what the WAL holds, `checkpointPages` and a bit, and waits for the medium.
   * @throws StammkundeError REP_POISONED
   */
  sync(): void;
  /** The steps SQLite takes for a query. */
  explain(prepared: PreparedQuery<T>): readonly string[];
}
