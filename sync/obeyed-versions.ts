/** Kept across restarts, so that a message obeyed once is not obeyed again when someone plays it back. */
export interface ObeyedVersions {
  /** The version of the last message of a kind that was obeyed; 0 when there was none. */
  last(kind: 'command' | 'urgent'): number;
  obeyed(kind: 'command' | 'urgent', version: number): void;
}
