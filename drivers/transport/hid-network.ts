import { withDeadline } from '../../foundation/deadline.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import type { HidDevice, HidIdentity, OpenHid } from './hid-device.ts';
import { HidIntroduction, HidMessageReader, writeHidMessage } from './hid-network-messages.ts';
import type { HidMessage } from './hid-network-messages.ts';
import { tcpTransport } from './tcp.ts';

export interface HidAddress {
  readonly host: string;
  readonly port: number;
}

const CONNECT_TIMEOUT_MS = 5_000;
const INTRODUCTION_DEADLINE_MS = 5_000;

/** A HID device that another machine or program passes on over TCP: a thin client, a terminal server, the simulator. */
export function networkHid({ host, port }: HidAddress): OpenHid {
  return async (ports) => {
    const name = `${host}:${port}`;
    const reader = new HidMessageReader();
    const introduced = Promise.withResolvers<HidIntroduction>();
    introduced.promise.catch(() => {}); // observed only while it is awaited
    let opened = false;
    let over = false;
    let failedWith: StammkundeError | undefined;
    const fail = (fault: StammkundeError): void => {
      if (over) return;
      over = true;
      failedWith = fault;
      if (opened) ports.onLost(fault);
      else introduced.reject(fault);
    };
    const nonsense = (): void =>
      fail(new StammkundeError('DRV_PORT_LOST', `${name} passes on no HID device`));
    let known = false;
    const take = ({ kind, bytes }: HidMessage, atMonotonicMs: number): void => {
      if (kind === 'identity' && !known) {
        const introduction = introductionIn(bytes);
        known = true;
        if (introduction === undefined) nonsense();
        else introduced.resolve(introduction);
      } else if (kind === 'input' && known) {
        ports.onReport(bytes, atMonotonicMs);
      } else {
        nonsense();
      }
    };
    const transport = await tcpTransport({ host, port, connectTimeoutMs: CONNECT_TIMEOUT_MS })({
      clock: ports.clock,
      signal: ports.signal,
      onBytes: (chunk, atMonotonicMs) => {
        const messages = over ? [] : reader.push(chunk);
        if (messages === 'broken') {
          nonsense();
          return;
        }
        for (const message of messages) if (!over) take(message, atMonotonicMs);
      },
      onLost: fail,
    });
    const onAbort = (): void => fail(new StammkundeError('DRV_PORT_LOST', `${name} was given up`));
    ports.signal.addEventListener('abort', onAbort, { once: true });
    if (ports.signal.aborted) onAbort();
    try {
      const introduction = await withDeadline(introduced.promise, {
        clock: ports.clock,
        deadlineMs: INTRODUCTION_DEADLINE_MS,
        code: 'DRV_PORT_ABSENT',
        what: `the introduction of ${name}`,
      });
      // What came behind the introduction, in the same breath, may have ended it already.
      if (failedWith !== undefined) throw failedWith;
      opened = true;
      const send = (kind: 'feature' | 'output', bytes: Uint8Array): Promise<void> =>
        transport.write(writeHidMessage({ kind, bytes }));
      return {
        identity: identityOf(introduction, name),
        reportDescriptor:
          introduction.reportDescriptorHex === undefined
            ? undefined
            : Uint8Array.from(Buffer.from(introduction.reportDescriptorHex, 'hex')),
        sendFeature: (report) => send('feature', report),
        write: (report) => send('output', report),
        close: async () => {
          over = true;
          await transport.close();
        },
      } satisfies HidDevice;
    } catch (error) {
      over = true;
      await transport.close();
      throw error;
    } finally {
      ports.signal.removeEventListener('abort', onAbort);
    }
  };
}

function introductionIn(bytes: Uint8Array): HidIntroduction | undefined {
  try {
    return HidIntroduction.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return undefined;
  }
}

function identityOf(introduction: HidIntroduction, name: string): HidIdentity {
  return {
    path: `tcp://${name}`,
    vendorId: introduction.vendorId,
    productId: introduction.productId,
    serialNumber: introduction.serialNumber,
    interfaceNumber: undefined,
    usbPort: undefined,
    usagePage: introduction.usagePage,
    usage: introduction.usage,
    product: introduction.product,
    manufacturer: undefined,
  };
}
