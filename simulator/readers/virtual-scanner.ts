import type { Closable } from '../../foundation/lifecycle.ts';

/** A scanner that reads what it is told to. */
export interface VirtualScanner extends Closable {
  /** What the till's configuration names: a device path or host:port. */
  readonly address: string;
  readonly plugged: boolean;
  /**
   * Sends bytes as they are, in one piece or several with pauses in which the receiver can take them; resolves when the
   * operating system has all of them.
   * @throws Error when it is unplugged, or (network scanner) no till is connected
   */
  send(bytes: Uint8Array, pieces?: readonly number[]): Promise<void>;
  /** Goes away as by a pulled cable; harmless when it is gone already. */
  unplug(): Promise<void>;
  /** Comes back under the same address; harmless when it is there. */
  plugIn(): Promise<void>;
}

/** What a scanner sends for a code: AIM identifier (ISO/IEC 15424), the data, and CR. */
export function scannerFrame(scannerPrefix: string, data: string): Uint8Array {
  return Buffer.from(`${scannerPrefix}${data}\r`, 'latin1');
}

/** The bytes cut into pieces of the given sizes; what is left over is the last piece. */
export function cutInPieces(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const size of sizes) {
    if (from >= bytes.length) break;
    pieces.push(bytes.subarray(from, from + Math.max(1, size)));
    from += Math.max(1, size);
  }
  if (from < bytes.length) pieces.push(bytes.subarray(from));
  return pieces;
}
