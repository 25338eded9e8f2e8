import type { Clock } from '../../foundation/clock.ts';
import type { StammkundeError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';

/** What an attached HID interface says of itself. */
export interface HidIdentity {
  /** Where it is now, such as `/dev/hidraw3`. It moves when the device is plugged in again: never kept. */
  readonly path: string;
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string | undefined;
  /** USB interface number; undefined for what is no USB device. */
  readonly interfaceNumber: number | undefined;
  /** USB port it hangs on, such as `1-2.3`; tells two equal devices without serial number apart. Linux only. */
  readonly usbPort: string | undefined;
  /** Usage page and usage of its top-level collection; undefined where the driver does not tell. */
  readonly usagePage: number | undefined;
  readonly usage: number | undefined;
  readonly product: string | undefined;
  readonly manufacturer: string | undefined;
}

export interface HidPorts {
  readonly clock: Clock;
  /** Aborted when the device is to be given up, also while it is still opening. */
  readonly signal: AbortSignal;
  /**
   * An input report arrived: the report id first where the device uses ids, otherwise data from its first byte. The
   * bytes are the receiver's to keep. May be called before `open` has resolved.
   */
  onReport(report: Uint8Array, atMonotonicMs: number): void;
  /** The device is gone, with DRV_PORT_LOST. Called at most once, never after `close`, never when opening fails. */
  onLost(error: StammkundeError): void;
}

/** An open HID interface. Once lost or closed it stays so. */
export interface HidDevice extends Closable {
  readonly identity: HidIdentity;
  /** The report descriptor (HID 1.11, section 6.2.2); undefined where the operating system does not give it away. */
  readonly reportDescriptor: Uint8Array | undefined;
  /** Sends a feature report, report id first (0 for none). @throws StammkundeError DRV_PORT_LOST */
  sendFeature(report: Uint8Array): Promise<void>;
  /** Sends an output report, report id first (0 for none). @throws StammkundeError DRV_PORT_LOST */
  write(report: Uint8Array): Promise<void>;
}

/**
 * Opens a HID interface: resolves once reports can flow, or throws and leaves nothing behind.
 * @throws StammkundeError DRV_PORT_ABSENT, DRV_PORT_DENIED, DRV_PORT_BUSY or DRV_PORT_LOST; DRV_AMBIGUOUS, DRV_HID_MODE
 * or DRV_LIBRARY where the device is looked for among those attached; the signal's reason when aborted
 */
export type OpenHid = (ports: HidPorts) => Promise<HidDevice>;
