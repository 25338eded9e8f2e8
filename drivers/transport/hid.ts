import { abortReason, sleep } from '../../foundation/clock.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import { asError, isFault, StammkundeError } from '../../foundation/errors.ts';
import type { DeviceMatch } from '../device-match.ts';
import { matchesDevice } from '../device-match.ts';
import { deviceNode, watchDeviceNode } from './device-node.ts';
import type { HidAccess, HidBinding, HidHandle } from './hid-binding.ts';
import { nodeHidBinding } from './hid-binding.ts';
import type { WantedUsage } from './hid-choice.ts';
import { chooseHid } from './hid-choice.ts';
import type { HidDevice, HidIdentity, HidPorts, OpenHid } from './hid-device.ts';
import { hidOpenFault } from './hid-fault.ts';
import { listHid, reportDescriptorAt, SYSFS } from './hid-list.ts';

export interface NodeHidOptions {
  /** How it is opened. Default `hidraw`. */
  readonly access?: HidAccess;
  /** Which interface is meant where a device has several; heeded where the system tells usages (not with libusb). */
  readonly wanted?: readonly WantedUsage[];
  /** Instead of node-hid itself. */
  readonly binding?: HidBinding;
  /** Instead of `/sys`. */
  readonly sysfs?: string;
}

/** Between the kernel making a device's node and udev giving us access to it (signal11/hidapi#217), ms. */
const DENIED_FOR_MS = 2000;
const TRY_AGAIN_AFTER_MS = 100;
const OPEN_DEADLINE_MS = 10_000;
/** A feature report the device does not answer holds the handle for 5 s in the kernel, and closing waits behind it. */
const WRITE_DEADLINE_MS = 6000;
const CLOSE_DEADLINE_MS = 2000;

/**
 * A HID interface through node-hid. It is looked for each time it is opened, by what it says of itself; its path is
 * never kept.
 *
 * The returned {@link OpenHid} throws, beyond what that promises, DRV_AMBIGUOUS, DRV_HID_MODE and DRV_LIBRARY.
 */
export function nodeHidDevice(match: DeviceMatch, options: NodeHidOptions = {}): OpenHid {
  return async (ports) => {
    if (ports.signal.aborted) throw abortReason(ports.signal);
    const binding = options.binding ?? (await nodeHidBinding(options.access ?? 'hidraw'));
    const opening = new Opening(match, options.wanted ?? [], binding, options.sysfs ?? SYSFS, ports);
    return opening.run();
  };
}

/** One attempt to open, however often the device is asked for within it. */
class Opening {
  readonly #match: DeviceMatch;
  readonly #wanted: readonly WantedUsage[];
  readonly #binding: HidBinding;
  readonly #sysfs: string;
  readonly #ports: HidPorts;
  #over = false;

  constructor(
    match: DeviceMatch,
    wanted: readonly WantedUsage[],
    binding: HidBinding,
    sysfs: string,
    ports: HidPorts,
  ) {
    this.#match = match;
    this.#wanted = wanted;
    this.#binding = binding;
    this.#sysfs = sysfs;
    this.#ports = ports;
  }

  async run(): Promise<HidDevice> {
    const { clock, signal } = this.#ports;
    const given = Promise.withResolvers<never>();
    const onAbort = (): void => given.reject(abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await withDeadline(Promise.race([this.#untilAllowed(), given.promise]), {
        clock,
        deadlineMs: OPEN_DEADLINE_MS,
        code: 'DRV_PORT_ABSENT',
        what: 'opening a HID device',
      });
    } finally {
      this.#over = true;
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #untilAllowed(): Promise<HidDevice> {
    const { clock, signal } = this.#ports;
    const untilMs = clock.monotonicMs() + DENIED_FOR_MS;
    for (;;) {
      try {
        return await this.#once();
      } catch (error) {
        if (!isFault(error, 'DRV_PORT_DENIED') || clock.monotonicMs() >= untilMs || this.#over) throw error;
        await sleep(clock, TRY_AGAIN_AFTER_MS, signal);
      }
    }
  }

  async #once(): Promise<HidDevice> {
    const identity = chooseHid(await this.#attached(), this.#match, this.#wanted);
    const { path } = identity;
    // With libusb the kernel's folder for the interface goes away as soon as it is open.
    const reportDescriptor = await reportDescriptorAt(path, this.#sysfs);
    const node = await deviceNode(path);
    if (this.#over) throw abortReason(this.#ports.signal);
    const handle = await this.#open(path);
    const device = new NodeHidDevice(handle, identity, reportDescriptor, this.#ports);
    try {
      if (this.#isOver()) throw abortReason(this.#ports.signal);
      await this.#confirm(identity);
      if (this.#isOver()) throw abortReason(this.#ports.signal);
      device.start(node);
      return device;
    } catch (error) {
      await device.close().catch(() => {}); // why it is given up matters more
      throw error;
    }
  }

  #attached(): Promise<HidIdentity[]> {
    return listHid({ binding: this.#binding, sysfs: this.#sysfs });
  }

  async #open(path: string): Promise<HidHandle> {
    try {
      return await this.#binding.open(path);
    } catch (error) {
      throw await hidOpenFault(path, error, this.#sysfs);
    }
  }

  /** Between being found and being opened the path may have come to name another device. */
  async #confirm(identity: HidIdentity): Promise<void> {
    if (!identity.path.startsWith('/dev/')) return;
    const now = (await this.#attached()).filter(({ path }) => path === identity.path);
    if (!now.some((each) => matchesDevice(this.#match, each) && each.usbPort === identity.usbPort)) {
      throw new StammkundeError('DRV_PORT_LOST', `${identity.path} vanished while it was opened`);
    }
  }

  /** Read anew after each wait: it changes meanwhile. */
  #isOver(): boolean {
    return this.#over;
  }
}

class NodeHidDevice implements HidDevice {
  readonly identity: HidIdentity;
  readonly reportDescriptor: Uint8Array | undefined;
  readonly #handle: HidHandle;
  readonly #ports: HidPorts;
  #state: 'opening' | 'open' | 'lost' | 'closed' = 'opening';
  #letGo: Promise<void> | undefined;
  #endWatch: () => void = () => {};

  constructor(
    handle: HidHandle,
    identity: HidIdentity,
    reportDescriptor: Uint8Array | undefined,
    ports: HidPorts,
  ) {
    this.#handle = handle;
    this.identity = identity;
    this.reportDescriptor = reportDescriptor;
    this.#ports = ports;
  }

  /** Reports flow from here on. @param node what its path leads to, where that is a file */
  start(node: string | undefined): void {
    const { clock } = this.#ports;
    this.#state = 'open';
    this.#handle.on('error', (error) => this.#lose(error));
    this.#handle.on('data', (report) => {
      if (this.#state === 'open') this.#ports.onReport(report, clock.monotonicMs());
    });
    this.#endWatch = watchDeviceNode(this.identity.path, node, clock, () =>
      this.#lose('its path leads elsewhere'),
    );
  }

  sendFeature(report: Uint8Array): Promise<void> {
    return this.#send('a feature report', () => this.#handle.sendFeatureReport(Buffer.from(report)));
  }

  write(report: Uint8Array): Promise<void> {
    return this.#send('an output report', () => this.#handle.write(Buffer.from(report)));
  }

  close(): Promise<void> {
    this.#state = 'closed';
    this.#endWatch();
    this.#letGo ??= this.#release();
    return this.#letGo;
  }

  async #send(what: string, send: () => Promise<number>): Promise<void> {
    if (this.#state !== 'open')
      throw new StammkundeError('DRV_PORT_LOST', `${this.identity.path} is not open`);
    try {
      await withDeadline(send(), {
        clock: this.#ports.clock,
        deadlineMs: WRITE_DEADLINE_MS,
        code: 'DRV_PORT_LOST',
        what: `sending ${what} to ${this.identity.path}`,
      });
    } catch (error) {
      throw isFault(error)
        ? error
        : new StammkundeError('DRV_PORT_LOST', `sending ${what} to ${this.identity.path} failed`, {
            cause: asError(error),
          });
    }
  }

  /** A handle that is kept open after the device went makes it come back under another path, so it is let go at once. */
  #lose(cause: unknown): void {
    if (this.#state !== 'open') return;
    this.#state = 'lost';
    this.#endWatch();
    this.#letGo ??= this.#release();
    this.#letGo.catch(() => {}); // whoever closes it is told
    this.#ports.onLost(
      new StammkundeError('DRV_PORT_LOST', `${this.identity.path} vanished`, { cause: asError(cause) }),
    );
  }

  async #release(): Promise<void> {
    // node-hid starts to read in the tick after its listener came, and throws into nowhere when it is closed by then.
    await new Promise((resolve) => setImmediate(resolve));
    await withDeadline(this.#handle.close(), {
      clock: this.#ports.clock,
      deadlineMs: CLOSE_DEADLINE_MS,
      code: 'DRV_PORT_LOST',
      what: `closing ${this.identity.path}`,
    });
  }
}
