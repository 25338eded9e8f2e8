import { SerialPort } from 'serialport';
import { abortReason, sleep } from '../../foundation/clock.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError, isFault, ProgrammerError, StammkundeError } from '../../foundation/errors.ts';
import type { DeviceMatch } from '../device-match.ts';
import { deviceNode, openDeviceNode, watchDeviceNode } from './device-node.ts';
import { leaveDtrOnClose } from './hangup.ts';
import type { SerialDevicesOptions } from './serial-devices.ts';
import { findSerial } from './serial-devices.ts';
import type { OpenTransport, Transport, TransportPorts } from './transport.ts';

export interface SerialLine {
  /** Device path: `/dev/serial/by-id/…`, `/dev/ttyACM0`, `COM3`. Either this is given or `device`. */
  readonly path?: string | undefined;
  /** Which attached USB device it is, looked for each time it is opened, by what it says of itself. Linux. */
  readonly device?: DeviceMatch | undefined;
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly stopBits: 1 | 2;
  readonly parity: 'none' | 'even' | 'odd';
  /** Hardware flow control. */
  readonly rtscts: boolean;
}

export interface SerialTransportOptions extends SerialDevicesOptions {
  /** Instead of serialport's own port; it must not have been opened. */
  readonly createPort?: (options: ConstructorParameters<typeof SerialPort>[0]) => SerialPort;
}

/** Between the kernel making a device's node and udev giving us access to it, ms. */
const DENIED_FOR_MS = 2000;
const TRY_AGAIN_AFTER_MS = 100;

/**
 * A serial port, a USB CDC device or a pseudo-terminal. Exclusively locked (flock, so a process that died holds
 * nothing); DTR is left alone on close, because some scanners restart when it drops. Modem lines are never read or set:
 * a pseudo-terminal has none (ENOTTY).
 *
 * The returned {@link OpenTransport} throws, beyond what that promises, DRV_AMBIGUOUS when several devices are what
 * `device` says.
 */
export function serialTransport(line: SerialLine, options: SerialTransportOptions = {}): OpenTransport {
  return async (ports) => {
    const { clock, signal } = ports;
    const untilMs = clock.monotonicMs() + DENIED_FOR_MS;
    for (;;) {
      if (signal.aborted) throw abortReason(signal);
      try {
        return await openOnce(line, options, ports);
      } catch (error) {
        if (!isFault(error, 'DRV_PORT_DENIED') || clock.monotonicMs() >= untilMs) throw error;
        await sleep(clock, TRY_AGAIN_AFTER_MS, signal);
      }
    }
  };
}

async function openOnce(
  line: SerialLine,
  options: SerialTransportOptions,
  ports: TransportPorts,
): Promise<Transport> {
  const path = await pathOf(line, options);
  if (ports.signal.aborted) throw abortReason(ports.signal);
  const { baudRate, dataBits, stopBits, parity, rtscts } = line;
  const createPort = options.createPort ?? ((settings): SerialPort => new SerialPort(settings));
  const port = createPort({
    path,
    baudRate,
    dataBits,
    stopBits,
    parity,
    rtscts,
    autoOpen: false,
    hupcl: false,
    lock: true,
  });
  const transport = new SerialTransport(port, path, ports);
  try {
    await transport.open();
  } catch (error) {
    await transport.close();
    throw error;
  }
  return transport;
}

async function pathOf({ path, device }: SerialLine, options: SerialDevicesOptions): Promise<string> {
  if (path !== undefined) return path;
  if (device === undefined) throw new ProgrammerError('a serial line needs a path or a device');
  return findSerial(device, options);
}

/** A device that is about to vanish, or a driver that resets, gives the port up again within this time. */
const STILL_OPEN_AFTER_MS = 250;
const OPEN_DEADLINE_MS = 10_000;
/** Closing can wait for the kernel to drain what was written to a dead line. */
const CLOSE_DEADLINE_MS = 2_000;

class SerialTransport implements Transport {
  readonly #port: SerialPort;
  readonly #path: string;
  readonly #ports: TransportPorts;
  readonly #givenUp = new AbortController();
  #state: 'opening' | 'open' | 'lost' | 'closed' = 'opening';
  #closing: Promise<void> | undefined;
  #endWatch: () => void = () => {};

  constructor(port: SerialPort, path: string, ports: TransportPorts) {
    this.#port = port;
    this.#path = path;
    this.#ports = ports;
    port.on('data', (chunk: Buffer) => {
      if (this.#state === 'opening' || this.#state === 'open')
        ports.onBytes(chunk, ports.clock.monotonicMs());
    });
    port.on('close', (error: Error | null) => this.#lost(error));
    port.on('error', (error: Error) => this.#lost(error));
  }

  async open(): Promise<void> {
    const { clock, signal } = this.#ports;
    await withDeadline(this.#openPort(), {
      clock,
      deadlineMs: OPEN_DEADLINE_MS,
      code: 'DRV_PORT_ABSENT',
      what: `opening ${this.#path}`,
    });
    const node = (await nodeOf(this.#port)) ?? (await deviceNode(this.#path));
    await Promise.all([
      sleep(clock, STILL_OPEN_AFTER_MS, AbortSignal.any([signal, this.#givenUp.signal])),
      leaveDtrOnClose(this.#path), // what cannot be done is let be: only a scanner that restarts would notice
    ]);
    // Pulled out meanwhile, and perhaps back already as another device under the same name.
    if (node !== undefined && (await deviceNode(this.#path)) !== node) {
      throw new StammkundeError('DRV_PORT_LOST', `${this.#path} vanished while it was opened`);
    }
    if (this.#state !== 'opening') throw abortReason(AbortSignal.any([signal, this.#givenUp.signal]));
    this.#state = 'open';
    this.#endWatch = watchDeviceNode(this.#path, node, clock, () => this.#lost(null));
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#state !== 'open') {
      throw new StammkundeError('DRV_PORT_LOST', `${this.#path} is not open`);
    }
    await new Promise<void>((resolve, reject) => {
      this.#port.write(Buffer.from(bytes), undefined, (error) => {
        if (error === null || error === undefined) resolve();
        else
          reject(new StammkundeError('DRV_PORT_LOST', `writing to ${this.#path} failed`, { cause: error }));
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#state = 'closed';
    this.#endWatch();
    if (!this.#port.isOpen) return;
    const closed = new Promise<void>((resolve) => this.#port.close(() => resolve()));
    await withDeadline(closed, {
      clock: this.#ports.clock,
      deadlineMs: CLOSE_DEADLINE_MS,
      code: 'DRV_PORT_LOST',
      what: `closing ${this.#path}`,
    });
  }

  #openPort(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#port.open((error) => {
        if (error !== null && error !== undefined) {
          reject(openFault(this.#path, error));
        } else {
          deliverPollerEventsAtOnce(this.#port);
          resolve();
          // Given up while the operating system was still opening: nobody else is left to let go of it.
          if (this.#state === 'closed') this.#port.close();
        }
      });
    });
  }

  #lost(cause: Error | null): void {
    if (this.#state === 'closed' || this.#state === 'lost') return;
    const fault = new StammkundeError(
      'DRV_PORT_LOST',
      `${this.#path} vanished`,
      cause === null ? {} : { cause: asError(cause) },
    );
    const wasOpen = this.#state === 'open';
    this.#state = 'lost';
    this.#endWatch();
    this.#givenUp.abort(fault);
    if (wasOpen) this.#ports.onLost(fault);
  }
}

/** What the port itself has open; undefined where the binding does not tell. */
async function nodeOf({ port }: SerialPort): Promise<string | undefined> {
  return port !== undefined && 'fd' in port && typeof port.fd === 'number'
    ? openDeviceNode(port.fd)
    : undefined;
}

/**
 * The binding's poller calls into JavaScript without letting promises run afterwards, and the stream reads in a promise:
 * since Node 26.4 a scan would wait for whatever wakes the process next, for seconds in a quiet shop
 * (serialport/node-serialport#3148, serialport/bindings-cpp#239). An immediate lets them run. Windows has no poller.
 */
function deliverPollerEventsAtOnce(port: SerialPort): void {
  if (port.port === undefined || !('poller' in port.port)) return;
  for (const event of ['readable', 'writable', 'disconnect']) {
    port.port.poller.on(event, () => setImmediate(() => {}));
  }
}

/** serialport reports opening errors as text only: the system's message, with the path it was about. */
function openFault(path: string, error: Error): StammkundeError {
  return new StammkundeError(openFaultCode(error.message), `${path} cannot be opened`, { cause: error });
}

function openFaultCode(message: string): ErrorCode {
  if (/cannot lock port|temporarily unavailable|resource busy|access denied/i.test(message)) {
    // Windows says "access denied" for a port another program holds.
    return 'DRV_PORT_BUSY';
  }
  if (/permission denied|not permitted/i.test(message)) return 'DRV_PORT_DENIED';
  return 'DRV_PORT_ABSENT';
}
