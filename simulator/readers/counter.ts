import type { Clock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { LayoutName } from '../../drivers/keyboard/layout.ts';
import {
  hidPosReports,
  hidPosScanner,
  ibmFrame,
  ibmScanner,
  keyboardScanner,
  stripeReader,
  stripeReport,
} from './hid-reports.ts';
import { typed } from './keyboard-typist.ts';
import { VirtualHidDevice } from './virtual-hid-device.ts';
import { VirtualPaymentTerminal } from './virtual-payment-terminal.ts';
import { scannerFrame } from './virtual-scanner.ts';
import { VirtualSerialScanner } from './virtual-serial-scanner.ts';
import { VirtualTcpScanner } from './virtual-tcp-scanner.ts';

/** Every way a code can be shown at the simulated counter. */
export const showings = [
  'serial',
  'serial-stx',
  'tcp',
  'hid-pos',
  'ibm',
  'wedge-de',
  'wedge-us',
  'wedge-fr',
  'msr',
  'zvt',
] as const;
export type Showing = (typeof showings)[number];

/** Layout the till’s keyboard-wedge reader is set to; a scanner that types another is set up wrongly. */
export const TILL_WEDGE_LAYOUT: LayoutName = 'de';

/** Which configured reader each is seen by. */
export const READERS = {
  serial: 'counter',
  'serial-stx': 'stx',
  tcp: 'handheld',
  'hid-pos': 'hid-pos',
  ibm: 'ibm',
  'wedge-de': 'wedge',
  'wedge-us': 'wedge',
  'wedge-fr': 'wedge',
  msr: 'stripe',
  zvt: 'terminal',
} as const satisfies Record<Showing, string>;

/** Where a till finds the devices of a counter. */
export interface CounterAddresses {
  readonly stxPath: string;
  readonly hidPosPort: number;
  readonly ibmPort: number;
  readonly wedgePort: number;
  readonly stripePort: number;
  readonly terminalPort: number;
}

/** The readers of a simulated counter: one of each kind the drivers know, none of them hardware. */
export class Counter implements Closable {
  readonly serial: VirtualSerialScanner;
  readonly tcp: VirtualTcpScanner;
  readonly addresses: CounterAddresses;
  readonly #devices: CounterDevices;
  readonly #opened: Opened;

  private constructor(devices: CounterDevices, stxPath: string, opened: Opened) {
    this.serial = devices.serial;
    this.tcp = devices.tcp;
    this.addresses = {
      stxPath,
      hidPosPort: devices.hidPos.port,
      ibmPort: devices.ibm.port,
      wedgePort: devices.wedge.port,
      stripePort: devices.stripe.port,
      terminalPort: devices.terminal.port,
    };
    this.#devices = devices;
    this.#opened = opened;
  }

  static async open(options: {
    readonly serialLink: string;
    readonly stxLink: string;
    readonly tcpPort: number;
    readonly clock: Clock;
  }): Promise<Counter> {
    const opened = new Opened();
    try {
      const devices = {
        serial: opened.add(await VirtualSerialScanner.open(options.serialLink)),
        stx: opened.add(await VirtualSerialScanner.open(options.stxLink)),
        tcp: opened.add(await VirtualTcpScanner.open(options.tcpPort)),
        hidPos: opened.add(await VirtualHidDevice.open(hidPosScanner)),
        ibm: opened.add(await VirtualHidDevice.open(ibmScanner)),
        wedge: opened.add(await VirtualHidDevice.open(keyboardScanner)),
        stripe: opened.add(await VirtualHidDevice.open(stripeReader)),
        terminal: opened.add(await VirtualPaymentTerminal.open(0, options.clock)),
      };
      return new Counter(devices, options.stxLink, opened);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /**
   * Lets a device see a code, encoded as that device sends it.
   * @param aim AIM identifier the scanner would send; devices without one leave it out
   * @throws Error in words for a person when the device cannot show such a thing, or no till has it open
   */
  async show(as: Showing, { aim, text }: { readonly aim: string; readonly text: string }): Promise<void> {
    const { serial, stx, tcp, hidPos, ibm, wedge, stripe, terminal } = this.#devices;
    const payload = Buffer.from(text, 'latin1');
    switch (as) {
      case 'serial':
        return serial.send(scannerFrame(aim, text));
      case 'serial-stx':
        return stx.send(Buffer.from(`\u0002${aim}${text}\u0003`, 'latin1'));
      case 'tcp':
        return tcp.send(scannerFrame(aim, text));
      case 'hid-pos':
        return hidPos.send(hidPosReports(aim, payload));
      case 'ibm':
        return ibm.send([ibmFrame(aim, payload)]);
      case 'wedge-de':
        return wedge.send(typed(aim + text, { layout: 'de' }));
      case 'wedge-us':
        return wedge.send(typed(aim + text, { layout: 'us' }));
      case 'wedge-fr':
        return wedge.send(typed(aim + text, { layout: 'fr' }));
      case 'msr':
        return stripe.send([stripeReport(/^[%;+]/.test(text) ? text : `;${text}?`)]);
      case 'zvt':
        if (!/^[0-9A-Z]{29}$/.test(text)) {
          throw new Error('a payment terminal is shown a PAR: 29 capital letters and digits');
        }
        terminal.dialogue.present({ pan: 'EEEEEEEEEEEE0000', par: text });
        return undefined;
    }
  }

  /** Lets a device send raw bytes, or one raw report, as a recorded trace has them. */
  async send(as: Showing, bytes: Uint8Array): Promise<void> {
    const { serial, stx, tcp, hidPos, ibm, wedge, stripe, terminal } = this.#devices;
    switch (as) {
      case 'serial':
        return serial.send(bytes);
      case 'serial-stx':
        return stx.send(bytes);
      case 'tcp':
        return tcp.send(bytes);
      case 'hid-pos':
        return hidPos.send([bytes]);
      case 'ibm':
        return ibm.send([bytes]);
      case 'wedge-de':
      case 'wedge-us':
      case 'wedge-fr':
        return wedge.send([bytes]);
      case 'msr':
        return stripe.send([bytes]);
      case 'zvt':
        terminal.sendRaw(bytes);
        return undefined;
    }
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

interface CounterDevices {
  readonly serial: VirtualSerialScanner;
  readonly stx: VirtualSerialScanner;
  readonly tcp: VirtualTcpScanner;
  readonly hidPos: VirtualHidDevice;
  readonly ibm: VirtualHidDevice;
  readonly wedge: VirtualHidDevice;
  readonly stripe: VirtualHidDevice;
  readonly terminal: VirtualPaymentTerminal;
}
