import { abortReason } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { Transport, TransportPorts } from './transport.ts';

/** A device that exists only in memory: plugged or not, held by one opener at a time, like a serial port. */
export class MemoryDevice {
  readonly #written: Uint8Array[] = [];
  readonly #failures: ErrorCode[] = [];
  #plugged = true;
  #holder: TransportPorts | undefined;
  #openings = 0;

  /** Times somebody tried to open it. */
  get openings(): number {
    return this.#openings;
  }

  get isOpen(): boolean {
    return this.#holder !== undefined;
  }

  /** What has been written to the device. */
  get written(): readonly Uint8Array[] {
    return this.#written;
  }

  /** The next openings fail, one for each code. */
  failNext(...codes: readonly ErrorCode[]): void {
    this.#failures.push(...codes);
  }

  unplug(): void {
    this.#plugged = false;
    const holder = this.#holder;
    this.#holder = undefined;
    holder?.onLost(new StammkundeError('DRV_PORT_LOST', 'the device was unplugged'));
  }

  plug(): void {
    this.#plugged = true;
  }

  /** The device sends. What is sent while nobody has it open is gone, as with a real one. */
  send(bytes: Uint8Array): void {
    this.#holder?.onBytes(Uint8Array.from(bytes), this.#holder.clock.monotonicMs());
  }

  /** An OpenTransport, to be passed on as it is. */
  readonly open = async (ports: TransportPorts): Promise<Transport> => {
    this.#openings += 1;
    await Promise.resolve();
    if (ports.signal.aborted) throw abortReason(ports.signal);
    const failure = this.#failures.shift();
    if (failure !== undefined) throw new StammkundeError(failure, 'the device would not open');
    if (!this.#plugged) throw new StammkundeError('DRV_PORT_ABSENT', 'the device is not plugged in');
    if (this.#holder !== undefined) throw new StammkundeError('DRV_PORT_BUSY', 'the device is held');
    this.#holder = ports;
    return {
      write: async (bytes) => {
        await Promise.resolve();
        if (this.#holder !== ports) throw new StammkundeError('DRV_PORT_LOST', 'the device is not open');
        this.#written.push(Uint8Array.from(bytes));
      },
      close: async () => {
        await Promise.resolve();
        if (this.#holder === ports) this.#holder = undefined;
      },
    };
  };
}
