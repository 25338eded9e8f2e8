import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** A USB serial port as the kernel shows it. */
export interface UsbTty {
  readonly name: string;
  /** `acm`: the tty hangs on the USB interface; `usb-serial`: on a port of its own below it (FTDI, CP210x). */
  readonly driver: 'acm' | 'usb-serial';
  readonly usbPort: string;
  readonly interfaceNumber: number;
  readonly vendorId: string;
  readonly productId: string;
  readonly serial?: string;
  readonly product?: string;
}

/** A tree like /sys and /dev, as Linux 6.1 lays it out, that devices are plugged into. */
export class SysfsTree {
  readonly sysfs: string;
  readonly dev: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.sysfs = join(folder, 'sys');
    this.dev = join(folder, 'dev');
  }

  static async make(): Promise<SysfsTree> {
    const tree = new SysfsTree(await mkdtemp(join(tmpdir(), 'sysfs-')));
    await mkdir(join(tree.sysfs, 'class', 'tty'), { recursive: true });
    await mkdir(tree.dev, { recursive: true });
    await tree.#link('class/tty/tty0', 'devices/virtual/tty/tty0');
    return tree;
  }

  async plug(tty: UsbTty): Promise<void> {
    const device = `devices/pci0000:00/0000:00:14.0/usb1/${tty.usbPort}`;
    const usbInterface = `${device}/${tty.usbPort}:1.${tty.interfaceNumber}`;
    const owner = tty.driver === 'acm' ? usbInterface : `${usbInterface}/${tty.name}`;
    await this.#file(`${device}/idVendor`, tty.vendorId);
    await this.#file(`${device}/idProduct`, tty.productId);
    if (tty.serial !== undefined) await this.#file(`${device}/serial`, tty.serial);
    if (tty.product !== undefined) await this.#file(`${device}/product`, tty.product);
    await this.#file(`${usbInterface}/bInterfaceNumber`, tty.interfaceNumber.toString(16).padStart(2, '0'));
    await this.#tty(tty.name, `${owner}/tty/${tty.name}`, owner);
  }

  /** A chip of the mainboard; type 0 is a port the driver made for a chip that is not there. */
  async uart(name: string, type: number): Promise<void> {
    const owner = 'devices/platform/serial8250';
    await this.#tty(name, `${owner}/tty/${name}`, owner);
    await this.#file(`${owner}/tty/${name}/type`, String(type));
  }

  async unplug(name: string): Promise<void> {
    await rm(join(this.sysfs, 'class', 'tty', name));
  }

  /** The link udev makes. */
  async linkById(id: string, name: string): Promise<void> {
    await mkdir(join(this.dev, 'serial', 'by-id'), { recursive: true });
    await symlink(`../../${name}`, join(this.dev, 'serial', 'by-id', id));
  }

  /** Has the device's node lead to a pseudo-terminal. */
  async node(name: string, target: string): Promise<void> {
    await rm(join(this.dev, name), { force: true });
    await symlink(target, join(this.dev, name));
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }

  async #tty(name: string, folder: string, owner: string): Promise<void> {
    await this.#link(`class/tty/${name}`, folder);
    const device = join(this.sysfs, folder, 'device');
    await symlink(relative(dirname(device), join(this.sysfs, owner)), device);
  }

  async #link(path: string, folder: string): Promise<void> {
    await mkdir(join(this.sysfs, folder), { recursive: true });
    await symlink(
      relative(dirname(join(this.sysfs, path)), join(this.sysfs, folder)),
      join(this.sysfs, path),
    );
  }

  async #file(path: string, content: string): Promise<void> {
    await mkdir(dirname(join(this.sysfs, path)), { recursive: true });
    await writeFile(join(this.sysfs, path), `${content}\n`);
  }
}
