import { encodeBmp, TLV_CONTAINER } from './bmp.ts';
import { commands, encodeApdu } from './apdu.ts';
import { encodeTlv } from './tlv.ts';

/** How the terminal is to make the card identification item 1F14 (tag 1F15, low two bits); `none`: not at all. */
export type CardItem = 'none' | 'default' | 'online' | 'sha256-offline';

/** Tag 1F15. Bit 6 would ask for the chip’s UID as well, which is nobody’s business here. */
const cardReadingControl: Readonly<Record<Exclude<CardItem, 'none'>, number>> = {
  default: 0x80,
  online: 0x81,
  'sha256-offline': 0x82,
};

/** BMP 19 of Read Card: whatever card type there is. */
const CARD_TYPE_ANY = 0x10;
/** Magnetic stripe, chip and contactless (tag 1F60). */
const ALL_TECHNOLOGIES = 0x07;

/** Read Card (06 C0): timeout in seconds, card type, and in the container what is wanted of the card. */
export function readCardCommand(options: {
  readonly timeoutSeconds: number;
  readonly cardItem: CardItem;
  readonly walletPass: boolean;
}): Uint8Array {
  const { timeoutSeconds, cardItem, walletPass } = options;
  const container = [
    ...(cardItem === 'none' ? [] : encodeTlv(0x1f15, Uint8Array.of(cardReadingControl[cardItem]))),
    ...encodeTlv(0x1f60, Uint8Array.of(ALL_TECHNOLOGIES)),
    // Value added services: read the pass.
    ...(walletPass ? encodeTlv(0xe8, encodeTlv(0x1f65, Uint8Array.of(0x01))) : []),
  ];
  return encodeApdu(
    commands.readCard,
    Uint8Array.from([
      timeoutSeconds,
      ...encodeBmp(0x19, Uint8Array.of(CARD_TYPE_ANY)),
      TLV_CONTAINER,
      container.length,
      ...container,
    ]),
  );
}

/** Intermediate status wanted; receipts and payments stay the terminal’s own affair. */
const CONFIG_BYTE = 0x08;

/** Registration (06 00): password, configuration, currency (BCD). */
export function registrationCommand(options: {
  readonly password: string;
  readonly currency: string;
}): Uint8Array {
  return encodeApdu(
    commands.registration,
    Uint8Array.from([...bcd(options.password), CONFIG_BYTE, ...bcd(options.currency.padStart(4, '0'))]),
  );
}

/** Two decimal digits a byte. */
function bcd(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}
