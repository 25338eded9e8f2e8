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
  /** Called once, with the error every later call will name as its cause. */
  readonly onPoisoned?: (error: Error) => void;
  /** A seam for fault tests: called before each statement as `verb collection`; what it throws counts as SQLite's. */
  readonly beforeStatement?: (operation: string) => void;
}

export type FilledSettings = SqliteStorageSettings &
  Required<Pick<SqliteStorageSettings, 'synchronous' | 'cacheKiB' | 'cleanupSliceRows'>>;

export function fillSettings(settings: SqliteStorageSettings): FilledSettings {
  return { synchronous: 'NORMAL', cacheKiB: 32_768, cleanupSliceRows: 1_000, ...settings };
}
