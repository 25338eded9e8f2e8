import type { AttachedReader, SpokenKind } from '../../drivers/attached-reader.ts';
import { makerOf } from '../../drivers/attached-reader.ts';
import { matchesDevice } from '../../drivers/device-match.ts';
import type { HidSource } from '../../drivers/transport/hid-source.ts';

/** A reader of the configuration as far as it says which device it is. */
export interface ConfiguredReader {
  readonly id: string;
  readonly device?: HidSource | undefined;
  readonly path?: string | undefined;
  /** Read over libusb, which opens the USB device itself and leaves no hidraw node meanwhile. */
  readonly exclusive?: boolean | undefined;
}

/** One attached device: what it is, what it speaks, and what stands between it and the till. */
export interface ReaderReport {
  readonly name: string;
  /** `0c2e:0b81`; undefined for what is no USB device. */
  readonly usb: string | undefined;
  readonly serialNumber: string | undefined;
  readonly usbPort: string | undefined;
  readonly path: string | undefined;
  /** The kind to configure; undefined when nothing here reads it as it is. */
  readonly speaks: SpokenKind | undefined;
  /** Name of the configured reader it is. */
  readonly configuredAs: string | undefined;
  readonly lacks: readonly Lack[];
}

/** What is missing, and the exact line that gives it. */
export interface Lack {
  readonly what: 'driver' | 'permission' | 'configuration' | 'mode';
  readonly why: string;
  /** File the line belongs into; undefined when there is no line to write. */
  readonly file?: string;
  readonly line?: string;
}

const USB_NODES = '/dev/bus/usb/';
const RULES_FILE = '/etc/udev/rules.d/70-stammkunde-readers.rules';

/**
 * What is to be said of all attached devices that are readers or may be one. Pure: what is attached, and which paths
 * this account may not open, is asked by the caller.
 * @param denied paths this account may not read and write
 * @param configured undefined when no configuration was given: then nothing is said to be lacking from it
 */
export function reportReaders(
  attached: readonly AttachedReader[],
  denied: ReadonlySet<string>,
  configured: readonly ConfiguredReader[] | undefined,
): readonly ReaderReport[] {
  const readers = attached.filter(({ speaks }) => speaks.kind !== 'other');
  const ids = new Set((configured ?? []).map(({ id }) => id));
  return readers.map((reader) => {
    const match = shortestMatch(reader, readers);
    const is = (configured ?? []).find((each) => isThis(each, reader));
    const lacks: Lack[] = [];
    // A till that has it leaves the operating system nothing to show of it.
    const isTaken = is?.exclusive === true && reader.path === undefined;
    const opened = is?.exclusive === true ? reader.usbNode : reader.path;
    if (opened !== undefined && denied.has(opened)) lacks.push(permissionLack(reader, opened));
    else if (reader.path === undefined && !isTaken) lacks.push(driverLack(reader));
    if (reader.speaks.kind === 'vendor-mode' && !isTaken) lacks.push(MODE_LACK);
    if (reader.speaks.kind === 'keyboard') lacks.push(KEYBOARD_LACK);
    if (reader.speaks.kind === 'reader' && configured !== undefined && is === undefined) {
      lacks.push(configurationLack(reader, reader.speaks.as, match, freeId(reader.speaks.as, ids)));
    }
    return {
      name: reader.name,
      usb: usbOf(reader),
      serialNumber: reader.serialNumber,
      usbPort: reader.usbPort,
      path: reader.path,
      speaks: reader.speaks.kind === 'reader' ? reader.speaks.as : undefined,
      configuredAs: is?.id,
      lacks,
    };
  });
}

const MODE_LACK: Lack = {
  what: 'mode',
  why: 'speaks its maker’s own protocol; set it to USB HID POS, or to USB serial, with the codes of its manual',
};
const KEYBOARD_LACK: Lack = {
  what: 'mode',
  why: 'types like a keyboard; if it is a scanner, configure it as keyboard-wedge, or better set it to USB HID POS',
};

function isThis(configured: ConfiguredReader, reader: AttachedReader): boolean {
  const { device } = configured;
  if (device !== undefined) return 'vendorId' in device && matchesDevice(device, reader);
  return configured.path !== undefined && [reader.path, reader.lastingPath].includes(configured.path);
}

/** What tells this device from all others that are attached: serial number first, which stays when it is moved. */
function shortestMatch(
  reader: AttachedReader,
  all: readonly AttachedReader[],
): Record<string, string | number> {
  const equals = (keys: readonly (keyof AttachedReader)[]): readonly AttachedReader[] =>
    all.filter((each) => keys.every((key) => each[key] === reader[key]));
  const match: Record<string, string | number> = {};
  const keys: (keyof AttachedReader)[] = ['vendorId', 'productId'];
  if (reader.vendorId !== undefined) match['vendorId'] = hex4(reader.vendorId);
  if (reader.productId !== undefined) match['productId'] = hex4(reader.productId);
  for (const [key, name, value] of [
    ['serialNumber', 'serialNumber', reader.serialNumber],
    ['interfaceNumber', 'interface', reader.interfaceNumber],
    ['usbPort', 'usbPort', reader.usbPort],
  ] as const) {
    const others = equals(keys);
    if (others.length <= 1 || value === undefined) continue;
    if (equals([...keys, key]).length === others.length) continue;
    keys.push(key);
    match[name] = value;
  }
  return match;
}

function driverLack(reader: AttachedReader): Lack {
  return {
    what: 'driver',
    why: `the operating system made no device of it; ${
      makerOf(reader.vendorId) === undefined ? 'it needs a driver' : 'set it to USB HID POS or USB serial'
    }`,
  };
}

function permissionLack(reader: AttachedReader, path: string): Lack {
  const node = path.split('/').at(-1) ?? path;
  const why = `this account may not open ${path}`;
  if (reader.vendorId === undefined || reader.productId === undefined) {
    return { what: 'permission', why: `${why}; add it to the group dialout` };
  }
  const ids = `ATTRS{idVendor}=="${hex4(reader.vendorId)}", ATTRS{idProduct}=="${hex4(reader.productId)}"`;
  if (path.startsWith(USB_NODES)) {
    const device = ids.replaceAll('ATTRS', 'ATTR');
    return {
      what: 'permission',
      why: `${why}, which is how a wedge is read exclusively`,
      file: RULES_FILE,
      line: `SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ${device}, GROUP="stammkunde", MODE="0660"`,
    };
  }
  const kernel = node.startsWith('hidraw') ? 'hidraw*' : `${node.replace(/\d+$/, '')}*`;
  return {
    what: 'permission',
    why,
    file: RULES_FILE,
    line: `KERNEL=="${kernel}", ${ids}, GROUP="stammkunde", MODE="0660"`,
  };
}

function configurationLack(
  reader: AttachedReader,
  kind: SpokenKind,
  match: Record<string, string | number>,
  id: string,
): Lack {
  // Quoted, every one: 0536 and 05e0 are numbers to YAML.
  const device = Object.entries(match)
    .map(
      ([key, value]) => `${key}: ${typeof value === 'number' ? value : `"${value.replaceAll('"', '\\"')}"`}`,
    )
    .join(', ');
  const where = reader.vendorId === undefined ? `path: ${reader.path ?? ''}` : `device: { ${device} }`;
  return {
    what: 'configuration',
    why: 'no configured reader is this device',
    file: 'readers: in the till’s configuration',
    line: `- { kind: ${kind}, id: ${id}, ${where} }`,
  };
}

function freeId(kind: SpokenKind, taken: Set<string>): string {
  const base = kind === 'magstripe' ? 'stripe' : 'scanner';
  let id = base;
  for (let n = 2; taken.has(id); n += 1) id = `${base}-${n}`;
  taken.add(id);
  return id;
}

function usbOf({ vendorId, productId }: AttachedReader): string | undefined {
  return vendorId === undefined || productId === undefined
    ? undefined
    : `${hex4(vendorId)}:${hex4(productId)}`;
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
