import type { Clock } from '../../../foundation/clock.ts';
import { asError, isFault, StammkundeError } from '../../../foundation/errors.ts';
import type { Closable } from '../../../foundation/lifecycle.ts';
import type { Noise } from '../../framing/frame.ts';
import type { OpenTransport, Transport } from '../../transport/transport.ts';
import type { Apdu } from './apdu.ts';
import { ApduStream, decodeApdu } from './apdu.ts';
import { ACK, encodeSerialFrame, NAK, SerialFrameStream } from './serial-frame.ts';
import type { SerialPiece } from './serial-frame.ts';

export interface LinkPorts {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  onApdu(apdu: Apdu, atMonotonicMs: number): void;
  onNoise(noise: Noise): void;
  /** At most once: DRV_PORT_LOST, or DRV_TERMINAL_SILENT when the terminal acknowledges nothing. */
  onLost(error: StammkundeError): void;
}

/** Carries whole APDUs to and from a terminal. */
export interface ZvtLink extends Closable {
  /**
   * Sends, in the order of the calls. That it failed is told by `onLost`.
   * @param onTaken called once the terminal has it, where the line tells (serial), and otherwise at once
   */
  send(apdu: Uint8Array, onTaken?: () => void): void;
}

export type OpenZvtLink = (ports: LinkPorts) => Promise<ZvtLink>;

/** Longest APDU taken of a terminal; the longest real one known has 215 bytes, print blocks a few thousand. */
const APDU_BYTES_MAX = 8_192;
/** An APDU on TCP that was begun and stays unfinished this long, ms, is noise. */
const UNFINISHED_MS = 5_000;
/** Pause between two bytes of a serial frame that ends it, ms (PA00P016, T1). */
const T1_MS = 200;
/** Wait for ACK, ms (PA00P016, T2). */
const T2_MS = 5_000;
/** Times a frame is repeated that was not acknowledged (PA00P016). */
const REPEATS_MAX = 2;
/** APDUs that wait for the line; the dialogue sends one or two at a time. */
const OUTBOX_MAX = 16;

/** Bare APDUs one after the other, as on TCP. */
export function tcpLink(open: OpenTransport): OpenZvtLink {
  return async (ports) => {
    const stream = new ApduStream({ keeps: () => true, limitBytes: APDU_BYTES_MAX });
    const hand = (pieces: readonly (Apdu | Noise)[], at: number): void => {
      for (const piece of pieces) {
        if (piece.kind === 'apdu') ports.onApdu(piece, at);
        else ports.onNoise(piece);
      }
    };
    let cancel: () => void = () => {};
    let over = false;
    const lose = (error: StammkundeError): void => {
      if (over) return;
      over = true;
      cancel();
      ports.onLost(error);
    };
    const transport = await open({
      clock: ports.clock,
      signal: ports.signal,
      onBytes: (chunk, at) => {
        if (over) return;
        cancel();
        const pieces = stream.push(chunk);
        chunk.fill(0);
        hand(pieces, at);
        if (stream.unfinished && !over) {
          cancel = ports.clock.schedule(UNFINISHED_MS, () => hand(stream.discard(), at));
        }
      },
      onLost: lose,
    });
    return {
      send: (apdu, onTaken) => {
        write(transport, apdu, lose);
        onTaken?.();
      },
      close: async () => {
        over = true;
        cancel();
        stream.discard();
        await transport.close();
      },
    };
  };
}

/** Frames with CRC, each acknowledged: 06, or 15 to have it again. */
export function serialLink(open: OpenTransport): OpenZvtLink {
  return (ports) => SerialLink.open(open, ports);
}

/** A failed write is the loss of the line. */
function write(transport: Transport, bytes: Uint8Array, onLost: (error: StammkundeError) => void): void {
  transport.write(bytes).catch((error: unknown) => {
    onLost(
      isFault(error)
        ? error
        : new StammkundeError('DRV_PORT_LOST', 'the terminal cannot be written to', {
            cause: asError(error),
          }),
    );
  });
}

/** A frame on its way, and how often it was sent. */
interface Outgoing {
  readonly frame: Uint8Array;
  readonly onTaken: (() => void) | undefined;
  sent: number;
}

/**
 * ```
 *   send ─► outbox ─► frame out ── ACK ──► next
 *                        ▲  └── NAK, or nothing for T2: again, twice at most, then lost
 *   frame in ── whole: ACK, handed on ── damaged, or T1 within it: NAK
 * ```
 */
class SerialLink implements ZvtLink {
  readonly #ports: LinkPorts;
  readonly #stream = new SerialFrameStream(APDU_BYTES_MAX);
  readonly #outbox: Outgoing[] = [];
  #transport: Transport | undefined;
  #sending: Outgoing | undefined;
  #over = false;
  #cancelT1: () => void = () => {};
  #cancelT2: () => void = () => {};

  private constructor(ports: LinkPorts) {
    this.#ports = ports;
  }

  static async open(open: OpenTransport, ports: LinkPorts): Promise<SerialLink> {
    const link = new SerialLink(ports);
    link.#transport = await open({
      clock: ports.clock,
      signal: ports.signal,
      onBytes: (chunk, at) => link.#take(chunk, at),
      onLost: (error) => link.#lose(error),
    });
    return link;
  }

  send(apdu: Uint8Array, onTaken?: () => void): void {
    if (this.#over) return;
    if (this.#outbox.length === OUTBOX_MAX) {
      this.#lose(new StammkundeError('DRV_TERMINAL_SILENT', 'the terminal takes nothing any more'));
      return;
    }
    this.#outbox.push({ frame: encodeSerialFrame(apdu), onTaken, sent: 0 });
    this.#next();
  }

  async close(): Promise<void> {
    this.#end();
    await this.#transport?.close();
  }

  #take(chunk: Uint8Array, at: number): void {
    if (this.#over) return;
    this.#cancelT1();
    const pieces = this.#stream.push(chunk);
    chunk.fill(0);
    for (const piece of pieces) this.#handle(piece, at);
    if (this.#stream.unfinished && !this.#isOver()) {
      this.#cancelT1 = this.#ports.clock.schedule(T1_MS, () => {
        for (const piece of this.#stream.discard()) this.#handle(piece, at);
        this.#put(Uint8Array.of(NAK));
      });
    }
  }

  #handle(piece: SerialPiece, at: number): void {
    if (this.#over) return;
    switch (piece.kind) {
      case 'ack':
        this.#acknowledged();
        break;
      case 'nak':
        if (this.#sending !== undefined) this.#transmit(this.#sending);
        break;
      case 'frame':
        this.#received(piece.apdu, at);
        break;
      case 'damaged':
        if (piece.bytes > 0) this.#ports.onNoise({ kind: 'noise', reason: 'unframed', bytes: piece.bytes });
        this.#put(Uint8Array.of(NAK));
        break;
      case 'noise':
        this.#ports.onNoise(piece);
        break;
    }
  }

  #received(bytes: Uint8Array, at: number): void {
    // The frame is whole, so asking for it again would not make an APDU of it.
    this.#put(Uint8Array.of(ACK));
    const apdu = decodeApdu(bytes);
    if (apdu === undefined) {
      this.#ports.onNoise({ kind: 'noise', reason: 'unframed', bytes: bytes.length });
    }
    bytes.fill(0);
    if (apdu !== undefined) this.#ports.onApdu(apdu, at);
  }

  #acknowledged(): void {
    if (this.#sending === undefined) return;
    this.#cancelT2();
    const { onTaken } = this.#sending;
    this.#sending = undefined;
    onTaken?.();
    this.#next();
  }

  #next(): void {
    if (this.#sending !== undefined) return;
    this.#sending = this.#outbox.shift();
    if (this.#sending !== undefined) this.#transmit(this.#sending);
  }

  #transmit(sending: Outgoing): void {
    this.#cancelT2();
    if (sending.sent > REPEATS_MAX) {
      this.#lose(
        new StammkundeError(
          'DRV_TERMINAL_SILENT',
          `the terminal did not acknowledge a frame sent ${sending.sent} times`,
        ),
      );
      return;
    }
    sending.sent += 1;
    this.#put(sending.frame);
    this.#cancelT2 = this.#ports.clock.schedule(T2_MS, () => this.#transmit(sending));
  }

  #put(bytes: Uint8Array): void {
    if (this.#over || this.#transport === undefined) return;
    write(this.#transport, bytes, (error) => this.#lose(error));
  }

  #lose(error: StammkundeError): void {
    if (this.#over) return;
    this.#end();
    this.#ports.onLost(error);
  }

  #end(): void {
    this.#over = true;
    this.#cancelT1();
    this.#cancelT2();
    this.#stream.discard();
    this.#outbox.length = 0;
  }

  #isOver(): boolean {
    return this.#over;
  }
}
