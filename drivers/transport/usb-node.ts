import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Where Linux lets the USB device on a port itself be opened, as libusb does: `/dev/bus/usb/BBB/DDD`.
 * @param port such as `1-2.3`
 * @throws Error of the file system when nothing is on that port
 */
export async function usbNodeAt(port: string, sysfs: string): Promise<string> {
  const folder = join(sysfs, 'bus', 'usb', 'devices', port);
  const numbers = await Promise.all(
    ['busnum', 'devnum'].map(async (name) => (await readFile(join(folder, name), 'latin1')).trim()),
  );
  return ['/dev/bus/usb', ...numbers.map((number) => number.padStart(3, '0'))].join('/');
}
