/** What the child says after each step: `code` of what it threw, and what stands by its word. */
export interface FaultReport {
  readonly step: string;
  readonly code: string | null;
  readonly lastSeq: number;
  readonly confirmedSeq: number;
  /** Old entries removed so far. */
  readonly removed: number;
}
