import type { DigestOf } from './digests.ts';

/** How a replica file is opened and what is told about it. */
export interface SqliteStorageSettings {
  /** Path of the one file that holds everything, or ':memory:' for a base that ends with its last collection. */
  readonly file: string;
  /** 32 bytes. With it the whole file, its WAL included, is encrypted and every page authenticated. */
  readonly key?: Uint8Array;
  /** What a commit waits for. NORMAL survives a killed process; after a power cut the last commits may be missing. */
  readonly synchronous?: 'OFF' | 'NORMAL' | 'FULL';
  /** Upper bound of SQLite's page cache, in KiB. */
  readonly cacheKiB?: number;
  /** Tombstones one `cleanup()` call may remove before it lets others work. */
  readonly cleanupSliceRows?: number;
  /**
   * For each collection, by name, that shall keep digests: 256 buckets, each the XOR of its documents' hashes and their
   * count, kept up in the transaction of every write. See {@link DigestOf} and `SqliteStore.digests`.
   */
  readonly digests?: Readonly<Record<string, DigestOf>>;
  /** Raised when a function of `digests` gives other digests than before: they are then computed anew at the opening. */
  readonly digestVersion?: number;
  /**
   * The WAL is folded back into the file by the commit that brings it beyond so many pages of 4 KiB: that commit takes
   * longer by writing at most about as many pages. Readers wait for none of it.
   */
  readonly checkpointPages?: number;
  /** Called once, with the error every later call will name as its cause. */
  readonly onPoisoned?: (error: Error) => void;
  /** A seam for fault tests: called before each statement as `verb collection`; what it throws counts as SQLite's. */
  readonly beforeStatement?: (operation: string) => void;
}

export type FilledSettings = SqliteStorageSettings &
  Required<
    Pick<
      SqliteStorageSettings,
      'synchronous' | 'cacheKiB' | 'cleanupSliceRows' | 'digestVersion' | 'checkpointPages'
    >
  >;

export function fillSettings(settings: SqliteStorageSettings): FilledSettings {
  return {
    synchronous: 'NORMAL',
    cacheKiB: 32_768,
    cleanupSliceRows: 200,
    digestVersion: 1,
    checkpointPages: 1_000,
    ...settings,
  };
}
