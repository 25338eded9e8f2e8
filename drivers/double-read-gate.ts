import type { Clock } from '../foundation/clock.ts';
import { DoubleReads } from './double-read.ts';
import type { Scan } from './driver.ts';

/** Which sights of a code are one scan. */
export interface DoubleReadRules {
  /** The same code again after less than this is the same pull of the trigger, ms. */
  readonly sameTriggerMs: number;
  /** Readers that are interfaces of one device, or have a limit of their own. Any other reader is a device by itself. */
  readonly devices: readonly { readonly readers: readonly string[]; readonly sameTriggerMs?: number }[];
}

interface Device {
  readonly reads: DoubleReads;
  readonly sameTriggerMs: number;
  cancelForgetting: (() => void) | undefined;
}

/** The double reads of every reader, and the clock that makes them forget: what was scanned is not kept for the next scan to find. */
export class DoubleReadGate {
  readonly #rules: DoubleReadRules | undefined;
  readonly #clock: Clock;
  readonly #devices = new Map<string, Device>();
  #closed = false;

  constructor(rules: DoubleReadRules | undefined, clock: Clock) {
    this.#rules = rules;
    this.#clock = clock;
    for (const device of rules?.devices ?? []) {
      const shared = newDevice(device.sameTriggerMs ?? rules?.sameTriggerMs ?? 0);
      for (const readerId of device.readers) this.#devices.set(readerId, shared);
    }
  }

  /** Whether it is another sight of a code within one pull of the trigger. */
  isRepeat(scan: Scan): boolean {
    if (this.#rules === undefined) return false;
    let device = this.#devices.get(scan.readerId);
    if (device === undefined) {
      device = newDevice(this.#rules.sameTriggerMs);
      this.#devices.set(scan.readerId, device);
    }
    const repeat = device.reads.isRepeat(scan);
    this.#forgetLater(device);
    return repeat;
  }

  /** Forgets all of it. */
  close(): void {
    this.#closed = true;
    for (const device of this.#devices.values()) device.cancelForgetting?.();
    this.#devices.clear();
  }

  #forgetLater(device: Device): void {
    if (this.#closed || device.reads.remembered === 0) return;
    device.cancelForgetting ??= this.#clock.schedule(device.sameTriggerMs, () => {
      device.cancelForgetting = undefined;
      device.reads.forget(this.#clock.monotonicMs());
      this.#forgetLater(device);
    });
  }
}

function newDevice(sameTriggerMs: number): Device {
  return { reads: new DoubleReads(sameTriggerMs), sameTriggerMs, cancelForgetting: undefined };
}
