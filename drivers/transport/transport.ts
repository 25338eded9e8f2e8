import type { Clock } from '../../foundation/clock.ts';
import type { StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';

export interface TransportPorts {
  readonly clock: Clock;
  /** Aborted when the transport is to be given up, also while it is still opening. */
  readonly signal: AbortSignal;
  /** Bytes arrived; the chunk is the receiver's to keep. May be called before `open` has resolved. */
  onBytes(chunk: Uint8Array, atMonotonicMs: number): void;
  /** The far end is gone, with DRV_PORT_LOST. Called at most once, never after `close`, never when opening fails. */
  onLost(error: StammkundeError): void;
}

/** An open line to a device. Once lost or closed it stays so. */
export interface Transport extends Closable {
  /** Resolves when the bytes are handed to the operating system. @throws StammkundeError DRV_PORT_LOST */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Opens a line: resolves once bytes can flow, or throws and leaves nothing behind.
 * @throws StammkundeError DRV_PORT_ABSENT, DRV_PORT_DENIED, DRV_PORT_BUSY or DRV_PORT_LOST; the signal's reason when aborted
 */
export type OpenTransport = (ports: TransportPorts) => Promise<Transport>;
