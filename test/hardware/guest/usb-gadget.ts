import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './stage.ts';
import { PolledFile } from './polled-file.ts';

export interface UsbGadgetIdentity {
  readonly vendorId: number;
  readonly productId: number;
  readonly product: string;
  /** Absent: the device tells none, as many scanners do. */
  readonly serialNumber?: string;
  /** Which of the emulated controllers it is plugged into, 0 or 1. */
  readonly controller: 0 | 1;
  readonly hid?: {
    readonly descriptor: Uint8Array;
    readonly reportBytes: number;
    /** It is a boot keyboard (HID 1.11, section 4.2). */
    readonly keyboard?: boolean;
  };
  /** It has a virtual serial port (CDC-ACM). */
  readonly serial?: boolean;
}

const GADGETS = '/sys/kernel/config/usb_gadget';
const ENGLISH = '0x409';
const NODE_WITHIN_MS = 5000;

/**
 * A USB device this program plays, on a controller of the kernel's own that is wired to itself (dummy_hcd): the host's
 * side, from enumeration to hidraw and ttyACM, is what a scanner on a cable meets.
 */
export class UsbGadget {
  readonly #folder: string;
  readonly #identity: UsbGadgetIdentity;
  readonly #functions: readonly string[];
  #hid: PolledFile | undefined;
  #serial: PolledFile | undefined;
  #plugged = false;

  private constructor(name: string, identity: UsbGadgetIdentity) {
    this.#folder = join(GADGETS, name);
    this.#identity = identity;
    this.#functions = [
      ...(identity.hid === undefined ? [] : [`hid.${name}`]),
      ...(identity.serial === true ? [`acm.${name}`] : []),
    ];
  }

  /** Makes it; it is not plugged in yet. */
  static make(name: string, identity: UsbGadgetIdentity): UsbGadget {
    const gadget = new UsbGadget(name, identity);
    const { vendorId, productId, product, serialNumber, hid } = identity;
    gadget.#folderOf('.');
    gadget.#write('idVendor', `0x${vendorId.toString(16)}`);
    gadget.#write('idProduct', `0x${productId.toString(16)}`);
    const strings = gadget.#folderOf(join('strings', ENGLISH));
    writeFileSync(join(strings, 'manufacturer'), 'Maker');
    writeFileSync(join(strings, 'product'), product);
    if (serialNumber !== undefined) writeFileSync(join(strings, 'serialnumber'), serialNumber);
    gadget.#folderOf('configs/c.1');
    for (const each of gadget.#functions) {
      const folder = gadget.#folderOf(join('functions', each));
      if (hid !== undefined && each.startsWith('hid.')) {
        writeFileSync(join(folder, 'protocol'), hid.keyboard === true ? '1' : '0');
        writeFileSync(join(folder, 'subclass'), hid.keyboard === true ? '1' : '0');
        writeFileSync(join(folder, 'report_length'), String(hid.reportBytes));
        writeFileSync(join(folder, 'report_desc'), hid.descriptor);
      }
      symlinkSync(folder, join(gadget.#folder, 'configs/c.1', each));
    }
    return gadget;
  }

  async plug(): Promise<void> {
    if (this.#plugged) return;
    this.#write('UDC', `dummy_udc.${this.#identity.controller}`);
    this.#plugged = true;
    for (const each of this.#functions) {
      const folder = join(this.#folder, 'functions', each);
      if (each.startsWith('hid.')) {
        const minor = readFileSync(join(folder, 'dev'), 'latin1').trim().split(':')[1];
        this.#hid = await opened(`/dev/hidg${minor}`);
      } else {
        const path = `/dev/ttyGS${readFileSync(join(folder, 'port_num'), 'latin1').trim()}`;
        this.#serial = await opened(path);
        execFileSync('stty', ['-F', path, 'raw', '-echo']);
      }
    }
  }

  /** Pulls it out. */
  unplug(): void {
    if (!this.#plugged) return;
    this.#plugged = false;
    this.#write('UDC', '\n');
    this.#hid?.close();
    this.#serial?.close();
  }

  async sendReports(...reports: readonly Uint8Array[]): Promise<void> {
    for (const report of reports) await this.#hid?.write(report);
  }

  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#serial?.write(bytes);
  }

  /** Pulls it out, and nothing of it is left. */
  remove(): void {
    this.unplug();
    for (const each of this.#functions) {
      unlinkSync(join(this.#folder, 'configs/c.1', each));
      rmdirSync(join(this.#folder, 'functions', each));
    }
    rmdirSync(join(this.#folder, 'configs/c.1'));
    rmdirSync(join(this.#folder, 'strings', ENGLISH));
    rmdirSync(this.#folder);
  }

  [Symbol.dispose](): void {
    this.remove();
  }

  #write(file: string, text: string): void {
    writeFileSync(join(this.#folder, file), text);
  }

  #folderOf(path: string): string {
    const folder = join(this.#folder, path);
    mkdirSync(folder, { recursive: true });
    return folder;
  }
}

function opened(path: string): Promise<PolledFile> {
  return eventually(
    path,
    () => {
      try {
        return new PolledFile(path, () => {});
      } catch {
        return undefined; // not there yet
      }
    },
    NODE_WITHIN_MS,
  );
}
