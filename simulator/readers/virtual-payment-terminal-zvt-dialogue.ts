import type { Apdu } from '../../drivers/protocol/zvt/apdu.ts';
import { commands, encodeApdu, isAnswer } from '../../drivers/protocol/zvt/apdu.ts';
import { encodeBmp, TLV_CONTAINER } from '../../drivers/protocol/zvt/bmp.ts';
import type { Clock } from '../../foundation/clock.ts';
import { encodeTlv, encodeTlvLength } from '../../drivers/protocol/zvt/tlv.ts';

/** A card or phone as a customer holds it to a virtual terminal. No real one: test numbers only. */
export interface TerminalCard {
  /** What the terminal tells of the card number: digits, E for each masked one. */
  readonly pan: string;
  /** Track 2 as a careless terminal would send it, `D` between number and expiry date. */
  readonly track2?: string;
  /** EMV Payment Account Reference, 29 characters. */
  readonly par?: string;
  /** ZVT tags and values of tokens, such as [0x1f8008, …]. */
  readonly tokens?: readonly (readonly [tag: number, value: Uint8Array])[];
  /** Loyalty number in a wallet pass. */
  readonly walletId?: string;
  /** ZVT card type: 5 girocard, 6 Mastercard, 10 Visa, 46 Maestro. */
  readonly cardType?: number;
  /** What becomes of it: 0 success, 6C stopped, others as the specification lists them. */
  readonly resultCode?: number;
}

/** Two digits a byte, `F` behind an odd number of them. */
function packed(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.length % 2 === 0 ? digits : `${digits}F`, 'hex'));
}

/** Data of Status Information (04 0F) about `card`, with an amount where something was paid. */
export function statusInformationData(card: TerminalCard, amountCents?: number): Uint8Array {
  const container = [
    ...encodeTlv(0x1f12, Uint8Array.of(0x02)),
    ...(card.par === undefined ? [] : encodeTlv(0x4e, Buffer.from(card.par, 'latin1'))),
    ...(card.tokens ?? []).flatMap(([tag, value]) => [...encodeTlv(tag, value)]),
    ...(card.walletId === undefined
      ? []
      : encodeTlv(
          0xe8,
          Uint8Array.from([
            ...encodeTlv(0x1f65, Uint8Array.of(0x01)),
            ...encodeTlv(0x1f68, Buffer.from(card.walletId, 'latin1')),
          ]),
        )),
  ];
  return Uint8Array.from([
    ...encodeBmp(0x27, Uint8Array.of(card.resultCode ?? 0)),
    ...(amountCents === undefined ? [] : encodeBmp(0x04, packed(String(amountCents).padStart(12, '0')))),
    ...encodeBmp(0x29, packed('29001006')),
    ...encodeBmp(0x22, packed(card.pan)),
    ...(card.track2 === undefined ? [] : encodeBmp(0x23, packed(card.track2))),
    ...encodeBmp(0x8a, Uint8Array.of(card.cardType ?? 5)),
    TLV_CONTAINER,
    ...encodeTlvLength(container.length),
    ...container,
  ]);
}

type Waiting =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'card-to-read' }
  | { readonly kind: 'card-to-pay'; readonly amountCents: number };

/** Intermediate status (04 FF): insert card; please wait. */
const INSERT_CARD = 0x0a;
const PLEASE_WAIT = 0x0e;
const STOPPED = 0x6c;

/**
 * What a terminal says, whatever line it is on. It says one thing at a time and waits for its answer, as the protocol
 * wants.
 */
export class ZvtTerminalDialogue {
  /** Commands received, in order; answers are not among them. */
  readonly received: number[] = [];
  /** Lets 04 FF out while it waits for a card. */
  readonly #send: (apdu: Uint8Array) => void;
  readonly #toSay: Uint8Array[] = [];
  #awaitsAnswer = false;
  #waiting: Waiting = { kind: 'nothing' };
  #held: TerminalCard | undefined;
  #last: Uint8Array | undefined;
  #refusals: number[] = [];
  #silent = false;
  readonly #clock: Clock | undefined;
  #cancelTimeout: () => void = () => {};

  /** @param clock with one, it gives up waiting for a card to read when the register said it should */
  constructor(send: (apdu: Uint8Array) => void, clock?: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** A customer holds a card out: it is taken at once when the terminal waits for one, and otherwise when it next does. */
  present(card: TerminalCard): void {
    this.#held = card;
    this.#takeCard();
  }

  /** Somebody presses the stop key, or nobody came: 06 1E. */
  stop(code = STOPPED): void {
    if (this.#waiting.kind === 'nothing') return;
    this.#waiting = { kind: 'nothing' };
    this.#say(encodeApdu(commands.abortByTerminal, Uint8Array.of(code)));
  }

  /** The next commands are refused, one for each code (84 xx). */
  refuseNext(...codes: readonly number[]): void {
    this.#refusals.push(...codes);
  }

  /** Hears, and never answers. */
  fallSilent(): void {
    this.#silent = true;
  }

  /** Says Status Information once more, as a terminal whose answer was lost. */
  repeatStatusInformation(): void {
    if (this.#last !== undefined) this.#say(this.#last);
  }

  /** Progress while it waits. */
  intermediateStatus(code = PLEASE_WAIT): void {
    this.#say(encodeApdu(commands.intermediateStatus, Uint8Array.of(code)));
  }

  /** Forgets what was under way: the register hung up. */
  reset(): void {
    this.#cancelTimeout();
    this.#toSay.length = 0;
    this.#awaitsAnswer = false;
    this.#waiting = { kind: 'nothing' };
  }

  hear({ command, data }: Apdu): void {
    if (isAnswer(command)) {
      this.#awaitsAnswer = false;
      this.#sayNext();
      return;
    }
    this.received.push(command);
    if (this.#silent) return;
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) {
      this.#send(encodeApdu(0x8400 | refusal));
      return;
    }
    this.#send(encodeApdu(commands.acknowledged));
    this.#obey(command, data);
  }

  #obey(command: number, data: Uint8Array): void {
    switch (command) {
      case commands.readCard:
        this.#waiting = { kind: 'card-to-read' };
        this.#giveUpAfter(data[0] ?? 0);
        this.#takeCard();
        break;
      case commands.authorisation:
      case commands.refund:
      case commands.preAuthorisation:
        this.#waiting = { kind: 'card-to-pay', amountCents: amountOf(data) };
        this.#say(encodeApdu(commands.intermediateStatus, Uint8Array.of(INSERT_CARD)));
        this.#takeCard();
        break;
      case commands.abort:
        if (this.#waiting.kind === 'nothing') break;
        this.#waiting = { kind: 'nothing' };
        this.#say(encodeApdu(commands.abortByTerminal, Uint8Array.of(STOPPED)));
        break;
      case commands.repeatReceipt:
        if (this.#last !== undefined) this.#say(this.#last);
        this.#say(encodeApdu(commands.completion));
        break;
      default:
        this.#say(encodeApdu(commands.completion));
    }
  }

  /** Nobody came in time: the terminal ends the reading itself (06 1E). */
  #giveUpAfter(seconds: number): void {
    this.#cancelTimeout();
    if (this.#clock !== undefined && seconds > 0) {
      this.#cancelTimeout = this.#clock.schedule(seconds * 1_000, () => this.stop());
    }
  }

  #takeCard(): void {
    const card = this.#held;
    const waiting = this.#waiting;
    if (card === undefined || waiting.kind === 'nothing') return;
    this.#held = undefined;
    this.#cancelTimeout();
    this.#waiting = { kind: 'nothing' };
    switch (waiting.kind) {
      case 'card-to-read':
        this.#last = encodeApdu(commands.statusInformation, statusInformationData(card));
        this.#say(this.#last);
        break;
      case 'card-to-pay': {
        this.#last = encodeApdu(commands.statusInformation, statusInformationData(card, waiting.amountCents));
        const failed = (card.resultCode ?? 0) !== 0;
        this.#say(encodeApdu(commands.intermediateStatus, Uint8Array.of(PLEASE_WAIT)));
        this.#say(this.#last);
        for (const line of ['K-U-N-D-E-N-B-E-L-E-G', `TA-Nr 000153  ${'#'.repeat(12)}4281`]) {
          this.#say(encodeApdu(commands.printLine, Buffer.from(`\0${line}`, 'latin1')));
        }
        this.#say(
          encodeApdu(
            commands.printTextBlock,
            Uint8Array.from([TLV_CONTAINER, ...encodeTlv(0x25, encodeTlv(0x07, Buffer.from('BEZAHLT')))]),
          ),
        );
        this.#say(
          failed
            ? encodeApdu(commands.abortByTerminal, Uint8Array.of(card.resultCode ?? 0))
            : encodeApdu(commands.completion),
        );
        break;
      }
    }
  }

  #say(apdu: Uint8Array): void {
    this.#toSay.push(apdu.slice());
    this.#sayNext();
  }

  #sayNext(): void {
    if (this.#awaitsAnswer) return;
    const apdu = this.#toSay.shift();
    if (apdu === undefined) return;
    this.#awaitsAnswer = true;
    this.#send(apdu);
  }
}

/** BMP 04 at the head of an authorisation. */
function amountOf(data: Uint8Array): number {
  return data[0] === 0x04 ? Number(Buffer.from(data.subarray(1, 7)).toString('hex')) : 0;
}
