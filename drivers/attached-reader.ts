import type { AttachedDevice } from './device-match.ts';

/** How a device is attached, and under which name a configuration knows what it speaks. */
export type SpokenKind = 'hid-pos' | 'keyboard-wedge' | 'magstripe' | 'ibm-hand-held' | 'serial';

/** A device that is attached and may be a reader. */
export interface AttachedReader extends AttachedDevice {
  /** Where it is now, such as `/dev/hidraw3`; undefined when the operating system made nothing of it. */
  readonly path: string | undefined;
  /** A name of it that stays, such as `/dev/serial/by-id/…`. */
  readonly lastingPath?: string | undefined;
  /** The USB device itself, such as `/dev/bus/usb/001/004`, which is opened for exclusive reading. Linux only. */
  readonly usbNode?: string | undefined;
  /** Manufacturer and product as the device tells them. */
  readonly name: string;
  readonly speaks: Spoken;
}

/**
 * `reader`: speaks what a driver reads · `keyboard`: types, and may be a scanner or what people type on · `vendor-mode`:
 * a maker's own protocol that needs the maker's software · `other`: nothing a reader speaks.
 */
export type Spoken =
  | { readonly kind: 'reader'; readonly as: SpokenKind }
  | { readonly kind: 'keyboard' }
  | { readonly kind: 'vendor-mode' }
  | { readonly kind: 'other' };

/** What of a HID interface tells what it speaks. */
export interface HidTraits {
  readonly vendorId: number;
  readonly productId: number;
  readonly usagePage: number | undefined;
  readonly usage: number | undefined;
  readonly product: string | undefined;
  readonly manufacturer: string | undefined;
}

/** Makers of readers, by USB vendor id; what they attach as a keyboard is a scanner. */
const makers: ReadonlyMap<number, string> = new Map([
  [0x0536, 'Honeywell (Hand Held Products)'],
  [0x0c2e, 'Honeywell'],
  [0x23d0, 'Honeywell'],
  [0x05e0, 'Zebra (Symbol)'],
  [0x05f9, 'Datalogic'],
  [0x1eab, 'Newland'],
  [0x0801, 'MagTek'],
  [0x0acd, 'ID TECH'],
]);

const MAGTEK = 0x0801;
const ID_TECH = 0x0acd;
const SYMBOL = 0x05e0;
const SYMBOL_IBM_HAND_HELD = 0x1300;
const PAGE_GENERIC_DESKTOP = 0x01;
const USAGE_KEYBOARD = 0x06;
const PAGE_BAR_CODE_SCANNER = 0x8c;
const PAGE_MAGNETIC_STRIPE = 0x8e;
const READER_NAME = /scan|bar ?code|reader|card swipe/i;

/** The maker of a reader, where the vendor id is one of them. */
export function makerOf(vendorId: number | undefined): string | undefined {
  return vendorId === undefined ? undefined : makers.get(vendorId);
}

/**
 * What a HID interface speaks, from its top-level collection (HID Usage Tables 1.5: 8C bar code scanner, 8E magnetic
 * stripe reader, 01/06 keyboard) and, where that is a vendor's own, from who made it.
 */
export function spokenOverHid(traits: HidTraits): Spoken {
  const { vendorId, productId, usagePage, usage } = traits;
  if (usagePage === PAGE_BAR_CODE_SCANNER) return { kind: 'reader', as: 'hid-pos' };
  if (usagePage === PAGE_MAGNETIC_STRIPE) return { kind: 'reader', as: 'magstripe' };
  if (usagePage === PAGE_GENERIC_DESKTOP && usage === USAGE_KEYBOARD) {
    const named = READER_NAME.test(`${traits.manufacturer ?? ''} ${traits.product ?? ''}`);
    return makers.has(vendorId) || named ? { kind: 'reader', as: 'keyboard-wedge' } : { kind: 'keyboard' };
  }
  if (vendorId === SYMBOL && productId === SYMBOL_IBM_HAND_HELD) {
    return { kind: 'reader', as: 'ibm-hand-held' };
  }
  if (usagePage !== undefined && usagePage >= 0xff00) {
    if (vendorId === MAGTEK || vendorId === ID_TECH) return { kind: 'reader', as: 'magstripe' };
    if (makers.has(vendorId)) return { kind: 'vendor-mode' };
  }
  return { kind: 'other' };
}
