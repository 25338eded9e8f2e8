import type { ReaderPorts } from '../../driver.ts';
import type { LineTap } from '../payment-terminal/terminal-line.ts';
import type { TerminalScans } from '../payment-terminal/terminal-scans.ts';
import type { Apdu } from './apdu.ts';
import { ApduStream, commands, isAnswer, isRefusal } from './apdu.ts';
import type { ZvtTokenKind } from './status-information.ts';
import { readStatusInformation } from './status-information.ts';

/** Longest Status Information; the longest real one known has 215 bytes. */
const STATUS_BYTES_MAX = 8_192;
/** An APDU that was begun and stays unfinished this long, ms, is noise. */
const UNFINISHED_MS = 5_000;

/**
 * Commands after which a customer stands at the terminal. A receipt that is printed again (06 20), a reversal (06 30)
 * and an end of day (06 50) bring Status Information too, of people who are gone.
 */
const presentsCustomer: ReadonlySet<number> = new Set([
  commands.authorisation,
  commands.readCard,
  commands.cardPollWithAuthorisation,
  commands.preAuthorisation,
  commands.refund,
]);

/**
 * Follows a conversation between register and terminal. Of the register it keeps nothing but which command it gave last
 * (its commands can hold typed-in card numbers), of the terminal nothing but Status Information while it is read.
 */
export class ListeningTap implements LineTap {
  readonly #ports: ReaderPorts;
  readonly #accepts: readonly ZvtTokenKind[];
  readonly #scans: TerminalScans;
  readonly #register = new ApduStream({ keeps: () => false, limitBytes: 0 });
  readonly #terminal = new ApduStream({
    keeps: (command) => command === commands.statusInformation,
    limitBytes: STATUS_BYTES_MAX,
  });
  /** What the register asked for; undefined when nothing is under way, or it is not known. */
  #asked: number | undefined;
  #waiting = false;
  #cancelRegister: () => void = () => {};
  #cancelTerminal: () => void = () => {};

  constructor(ports: ReaderPorts, accepts: readonly ZvtTokenKind[], scans: TerminalScans) {
    this.#ports = ports;
    this.#accepts = accepts;
    this.#scans = scans;
  }

  get busy(): boolean {
    return this.#waiting;
  }

  fromRegister(bytes: Uint8Array, _atMonotonicMs: number): void {
    this.#cancelRegister();
    const pieces = this.#register.push(bytes);
    bytes.fill(0);
    for (const piece of pieces) {
      if (piece.kind === 'apdu') {
        this.#registerSaid(piece.command);
      } else {
        this.#asked = undefined;
        this.#ports.onNoise(piece);
      }
    }
    this.#cancelRegister = this.#expectRest(this.#register, () => (this.#asked = undefined));
  }

  fromTerminal(bytes: Uint8Array, atMonotonicMs: number): void {
    this.#cancelTerminal();
    const pieces = this.#terminal.push(bytes);
    bytes.fill(0);
    for (const piece of pieces) {
      if (piece.kind === 'apdu') {
        this.#ports.onFrame();
        this.#terminalSaid(piece, atMonotonicMs);
      } else {
        this.#ports.onNoise(piece);
      }
    }
    this.#cancelTerminal = this.#expectRest(this.#terminal, () => {});
  }

  close(): void {
    this.#cancelRegister();
    this.#cancelTerminal();
    this.#register.discard();
    this.#terminal.discard();
  }

  #registerSaid(command: number): void {
    // An abort stops what was asked and is no request of its own.
    if (isAnswer(command) || command === commands.abort) return;
    this.#asked = command;
    this.#waiting = true;
  }

  #terminalSaid({ command, data }: Apdu, atMonotonicMs: number): void {
    if (command === commands.statusInformation) {
      this.#statusInformation(data, atMonotonicMs);
    } else if (
      command === commands.completion ||
      command === commands.abortByTerminal ||
      isRefusal(command)
    ) {
      this.#asked = undefined;
      this.#waiting = false;
    }
  }

  #statusInformation(data: Uint8Array, atMonotonicMs: number): void {
    const reading = readStatusInformation(data, this.#accepts);
    const asked = this.#asked;
    const presents = asked !== undefined && presentsCustomer.has(asked) && reading.outcome === 'successful';
    // Read Card ends with this and has no completion.
    if (asked === commands.readCard) this.#waiting = false;
    if (!presents) {
      this.#scans.refuse(reading);
      return;
    }
    // A terminal repeats it when the register's answer was lost: one presentation is one scan.
    if (reading.identity !== undefined || reading.walletId !== undefined) this.#asked = undefined;
    this.#scans.take(reading, atMonotonicMs);
  }

  #expectRest(stream: ApduStream, onGivenUp: () => void): () => void {
    if (!stream.unfinished) return () => {};
    return this.#ports.clock.schedule(UNFINISHED_MS, () => {
      for (const piece of stream.discard()) if (piece.kind === 'noise') this.#ports.onNoise(piece);
      onGivenUp();
    });
  }
}
