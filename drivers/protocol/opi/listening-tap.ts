import type { ReaderPorts } from '../../driver.ts';
import type { LineTap } from '../payment-terminal/terminal-line.ts';
import type { TerminalScans } from '../payment-terminal/terminal-scans.ts';
import { OpiMessageStream } from './message-stream.ts';
import type { OpiNames, OpiReading } from './read-message.ts';
import { readOpiMessage } from './read-message.ts';

/** A message that was begun and stays unfinished this long, ms, is noise. */
const UNFINISHED_MS = 5_000;

/**
 * Requests after which a customer stands at the terminal (IXRetail names; CardPayment and PaymentRefund stand in public
 * examples). A repeated message or a reprinted ticket brings the card of somebody who is gone.
 */
const presentsCustomer: ReadonlySet<string> = new Set([
  'CardPayment',
  'CardPaymentLoyaltyAward',
  'CardPreAuthorisation',
  'CardSwipe',
  'LoyaltyAward',
  'LoyaltySwipe',
  'PaymentRefund',
]);

/** Follows channel 0 of an O.P.I. conversation: the register asks, the terminal answers once. */
export class OpiListeningTap implements LineTap {
  readonly #ports: ReaderPorts;
  readonly #names: OpiNames;
  readonly #scans: TerminalScans;
  readonly #register = new OpiMessageStream();
  readonly #terminal = new OpiMessageStream();
  /** What the register asked for; undefined when nothing is under way, or it is not known. */
  #asked: string | undefined;
  #waiting = false;
  #cancelRegister: () => void = () => {};
  #cancelTerminal: () => void = () => {};

  constructor(ports: ReaderPorts, names: OpiNames, scans: TerminalScans) {
    this.#ports = ports;
    this.#names = names;
    this.#scans = scans;
  }

  get busy(): boolean {
    return this.#waiting;
  }

  fromRegister(bytes: Uint8Array, _atMonotonicMs: number): void {
    this.#cancelRegister();
    for (const reading of this.#readings(this.#register, bytes)) {
      this.#waiting = true;
      this.#asked = reading.root === 'CardServiceRequest' ? reading.requestType : undefined;
      this.#scans.refuse(reading);
    }
    this.#cancelRegister = this.#expectRest(this.#register);
  }

  fromTerminal(bytes: Uint8Array, atMonotonicMs: number): void {
    this.#cancelTerminal();
    for (const reading of this.#readings(this.#terminal, bytes)) {
      this.#ports.onFrame();
      const asked = this.#asked;
      this.#asked = undefined;
      this.#waiting = false;
      const presents =
        reading.root === 'CardServiceResponse' &&
        reading.outcome === 'successful' &&
        asked !== undefined &&
        presentsCustomer.has(asked) &&
        reading.requestType === asked;
      if (presents) this.#scans.take(reading, atMonotonicMs);
      else this.#scans.refuse(reading);
    }
    this.#cancelTerminal = this.#expectRest(this.#terminal);
  }

  close(): void {
    this.#cancelRegister();
    this.#cancelTerminal();
    this.#register.discard();
    this.#terminal.discard();
  }

  #readings(stream: OpiMessageStream, bytes: Uint8Array): readonly OpiReading[] {
    const pieces = stream.push(bytes);
    bytes.fill(0);
    const readings: OpiReading[] = [];
    for (const piece of pieces) {
      if (piece.kind === 'message') readings.push(readOpiMessage(piece.body, this.#names));
      else this.#ports.onNoise(piece);
    }
    return readings;
  }

  #expectRest(stream: OpiMessageStream): () => void {
    if (!stream.unfinished) return () => {};
    return this.#ports.clock.schedule(UNFINISHED_MS, () => {
      for (const noise of stream.discard()) this.#ports.onNoise(noise);
      this.#asked = undefined;
    });
  }
}
