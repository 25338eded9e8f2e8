import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import { asError, StammkundeError } from '../../foundation/errors.ts';
import { usbNodeAt } from './usb-node.ts';

/** Why `path` would not open. node-hid throws text, hidapi's, with the system's own message or number in it. */
export async function hidOpenFault(path: string, thrown: unknown, sysfs: string): Promise<StammkundeError> {
  const error = asError(thrown);
  const code = (await libusbFaultCode(path, sysfs)) ?? hidFaultCode(error.message);
  return new StammkundeError(code, `${path} cannot be opened`, { cause: error });
}

/** hidapi 0.15: strerror on Linux, Win32 numbers on Windows (their text is translated), IOKit numbers on macOS. */
function hidFaultCode(message: string): ErrorCode {
  if (/permission denied|operation not permitted|0x00000005|0xE00002E2/i.test(message))
    return 'DRV_PORT_DENIED';
  if (/resource busy|0x00000020|0xE00002C5/i.test(message)) return 'DRV_PORT_BUSY';
  return 'DRV_PORT_ABSENT';
}

/**
 * hidapi gives no reason on libusb, so the device's node is looked at: `1-2.3:1.0` is `/dev/bus/usb/BBB/DDD`, which
 * may be gone, or not ours to write; otherwise another program holds the interface. Undefined for any other path.
 */
async function libusbFaultCode(path: string, sysfs: string): Promise<ErrorCode | undefined> {
  const port = /^(\d+-\d+(?:\.\d+)*):/.exec(path)?.[1];
  if (port === undefined) return undefined;
  try {
    await access(await usbNodeAt(port, sysfs), constants.W_OK);
    return 'DRV_PORT_BUSY';
  } catch (error) {
    return /EACCES|EPERM/.test(asError(error).message) ? 'DRV_PORT_DENIED' : 'DRV_PORT_ABSENT';
  }
}
