import type { Clock } from '../../foundation/clock.ts';
import type { StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';

/** What an output is given when it is opened. */
export interface LinePorts {
  readonly clock: Clock;
  /** Aborted when it is to be given up, also while it is still opening. */
  readonly signal: AbortSignal;
  /** What nobody has taken after this long is worth nothing any more, ms. */
  readonly maxAgeMs: number;
  /** Something can be sent again, or somebody came to listen. */
  onReady(): void;
  /** Scans that were sent and that nobody read in time; the POS will not see them. */
  onTakenBack(scans: number): void;
  /** The far end is gone. Called at most once, never after `close`; the line is closed afterwards. */
  onLost(error: StammkundeError): void;
}

/** An output that is open. Once lost or closed it stays so. */
export interface Line extends Closable {
  /** How many programs listen; null where that cannot be told. */
  readonly receivers: number | null;
  /**
   * Takes the bytes of one scan whole, or not at all: `busy` until `onReady`, `nobody` while there is no one to send to.
   * Returns at once and never throws.
   */
  send(bytes: Uint8Array): 'taken' | 'busy' | 'nobody';
}

/**
 * Opens an output: resolves once it can be sent to, or throws and leaves nothing behind.
 * @throws StammkundeError PASS_PATH_DENIED · PASS_UNSUPPORTED · PASS_POS_ABSENT · PORT_IN_USE; the signal's reason when aborted
 */
export type OpenLine = (ports: LinePorts) => Promise<Line>;
