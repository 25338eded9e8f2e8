import { abortReason } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { HidDevice, HidIdentity, HidPorts, OpenHid } from './hid-device.ts';

/** A HID interface that exists only in memory. Like hidraw, it is shared: all who have it open get its reports. */
export class MemoryHidDevice {
  readonly identity: HidIdentity;
  /** As the operating system would give it away; undefined where it does not. */
  readonly reportDescriptor: Uint8Array | undefined;
  readonly #written: Uint8Array[] = [];
  readonly #features: Uint8Array[] = [];
  readonly #failures: ErrorCode[] = [];
  readonly #holders = new Set<HidPorts>();
  #plugged = true;
  #openings = 0;
  #refusing = false;

  constructor(identity: Partial<HidIdentity> = {}, reportDescriptor?: Uint8Array) {
    this.identity = {
      path: 'memory',
      vendorId: 0,
      productId: 0,
      serialNumber: undefined,
      interfaceNumber: undefined,
      usbPort: undefined,
      usagePage: undefined,
      usage: undefined,
      product: undefined,
      manufacturer: undefined,
      ...identity,
    };
    this.reportDescriptor = reportDescriptor;
  }

  /** Times somebody tried to open it. */
  get openings(): number {
    return this.#openings;
  }

  get isOpen(): boolean {
    return this.#holders.size > 0;
  }

  /** Output reports it was sent. */
  get written(): readonly Uint8Array[] {
    return this.#written;
  }

  /** Feature reports it was sent. */
  get features(): readonly Uint8Array[] {
    return this.#features;
  }

  /** The next openings fail, one for each code. */
  failNext(...codes: readonly ErrorCode[]): void {
    this.#failures.push(...codes);
  }

  /** From now on it takes no feature or output report. */
  refuse(): void {
    this.#refusing = true;
  }

  unplug(): void {
    this.#plugged = false;
    const holders = [...this.#holders];
    this.#holders.clear();
    for (const holder of holders)
      holder.onLost(new StammkundeError('DRV_PORT_LOST', 'the device was unplugged'));
  }

  plug(): void {
    this.#plugged = true;
  }

  /** The device sends a report. What is sent while nobody has it open is gone. */
  send(report: Uint8Array): void {
    for (const holder of this.#holders) holder.onReport(Uint8Array.from(report), holder.clock.monotonicMs());
  }

  /** An OpenHid, to be passed on as it is. */
  readonly open: OpenHid = async (ports): Promise<HidDevice> => {
    this.#openings += 1;
    await Promise.resolve();
    if (ports.signal.aborted) throw abortReason(ports.signal);
    const failure = this.#failures.shift();
    if (failure !== undefined) throw new StammkundeError(failure, 'the device would not open');
    if (!this.#plugged) throw new StammkundeError('DRV_PORT_ABSENT', 'the device is not plugged in');
    this.#holders.add(ports);
    const take = async (report: Uint8Array, taken: Uint8Array[]): Promise<void> => {
      await Promise.resolve();
      if (!this.#holders.has(ports)) throw new StammkundeError('DRV_PORT_LOST', 'the device is not open');
      if (this.#refusing) throw new StammkundeError('DRV_PORT_LOST', 'the device took no report');
      taken.push(Uint8Array.from(report));
    };
    return {
      identity: this.identity,
      reportDescriptor: this.reportDescriptor,
      sendFeature: (report) => take(report, this.#features),
      write: (report) => take(report, this.#written),
      close: async () => {
        await Promise.resolve();
        this.#holders.delete(ports);
      },
    };
  };
}
