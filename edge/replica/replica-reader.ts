import type { RxDocumentData } from 'rxdb';
import { isFault } from '../../foundation/errors.ts';
import type {
  CredentialDocument,
  CustomerDocument,
  OfferDocument,
  ProgrammeDocument,
  ReplicaCollection,
} from '../../sync/contract/replica-documents.ts';
import { NOTE_MARK, readNote } from './replica-note.ts';
import type { ReplicaNote } from './replica-note.ts';
import { openReader } from './storage/reader.ts';
import type { StorageReader } from './storage/reader.ts';

/**
 * A connection of its own to a replica's file, for reading: it needs no RxDB, and waits for no write. Every call may
 * throw REP_CORRUPT where the file is damaged, DATA_IN_USE while another process holds it.
 */
export class ReplicaReader {
  readonly #reader: StorageReader;
  /** Nobody else can open the file, see `ReaderSettings`. */
  readonly alone: boolean;

  /**
   * @throws StammkundeError REP_WRONG_KEY · REP_CORRUPT · KEY_UNREADABLE · DATA_UNWRITABLE · DATA_DISK_FULL · DATA_IN_USE
   */
  constructor(options: { readonly file: string; readonly key: Uint8Array; readonly alone?: boolean }) {
    this.#reader = openReader(options);
    this.alone = options.alone === true;
  }

  /** For a file nobody has open: read alone where the disk leaves no other way. @throws as the constructor */
  static whileUnwritten(options: { readonly file: string; readonly key: Uint8Array }): ReplicaReader {
    try {
      return new ReplicaReader(options);
    } catch (error) {
      if (!isFault(error, 'DATA_DISK_FULL') && !isFault(error, 'DATA_UNWRITABLE')) throw error;
      return new ReplicaReader({ ...options, alone: true });
    }
  }

  credential(index: string): CredentialDocument | undefined {
    return plain(this.#reader.readById<CredentialDocument>('credentials', index));
  }

  customer(id: string): CustomerDocument | undefined {
    return plain(this.#reader.readById<CustomerDocument>('customers', id));
  }

  offers(): readonly OfferDocument[] {
    return this.#reader.all<OfferDocument>('offers').flatMap((offer) => plain(offer) ?? []);
  }

  programme(): ProgrammeDocument | undefined {
    return plain(this.#reader.readById<ProgrammeDocument>('programme', 'programme'));
  }

  /** Number of documents in a collection, deleted ones not counted. */
  count(collection: ReplicaCollection): number {
    return this.#reader.liveCount(collection);
  }

  /** Undefined when it was written by another version of the program, or not yet. */
  note(): ReplicaNote | undefined {
    return readNote(this.#reader.readMark(NOTE_MARK));
  }

  /** Idempotent. */
  close(): void {
    this.#reader.close();
  }
}

/** A document without what RxDB notes about it; a deleted one is none. */
function plain<T>(stored: RxDocumentData<T> | undefined): T | undefined {
  if (stored === undefined || stored._deleted) return undefined;
  const { _deleted, _attachments, _meta, _rev, ...document } = stored;
  // Without RxDB's own four fields it is the document again, which TypeScript cannot see for an unknown T.
  return document as unknown as T;
}
