import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ApduStream, decodeApdu } from '../../drivers/protocol/zvt/apdu.ts';
import { ACK, encodeSerialFrame, NAK, SerialFrameStream } from '../../drivers/protocol/zvt/serial-frame.ts';
import type { Clock } from '../../foundation/clock.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { ZvtTerminalDialogue } from './virtual-payment-terminal-zvt-dialogue.ts';

const APDU_BYTES_MAX = 65_536;

/** A payment terminal that speaks ZVT on TCP. Like real ones it has one register at a time and turns others away. */
export class VirtualPaymentTerminal implements Closable {
  readonly dialogue: ZvtTerminalDialogue;
  readonly port: number;
  readonly #server: Server;
  #register: Socket | undefined;
  #cut: (bytes: Uint8Array) => readonly Uint8Array[] = (bytes) => [bytes];

  private constructor(server: Server, clock: Clock | undefined) {
    this.#server = server;
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    this.port = (server.address() as AddressInfo).port;
    this.dialogue = new ZvtTerminalDialogue((apdu) => this.#send(apdu), clock);
    server.on('connection', (socket) => this.#accept(socket));
  }

  /**
   * Listens on loopback.
   * @param port 0: any free one
   * @param clock with one, it gives up waiting for a card when it was told to
   * @throws Error EADDRINUSE when the port is taken
   */
  static async open(port = 0, clock?: Clock): Promise<VirtualPaymentTerminal> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new VirtualPaymentTerminal(server, clock);
  }

  get connected(): boolean {
    return this.#register !== undefined;
  }

  /** How what it says is cut into pieces, as networks do. */
  cutWith(cut: (bytes: Uint8Array) => readonly Uint8Array[]): void {
    this.#cut = cut;
  }

  /** Sends bytes that are no answer to anything. */
  sendRaw(bytes: Uint8Array): void {
    this.#register?.write(bytes);
  }

  /** Ends the connection, by an end or a break. */
  hangUp(how: 'end' | 'break' = 'end'): void {
    if (how === 'end') this.#register?.end();
    else this.#register?.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.#register?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#register !== undefined) {
      socket.destroy();
      return;
    }
    this.#register = socket;
    const stream = new ApduStream({ keeps: () => true, limitBytes: APDU_BYTES_MAX });
    socket.on('data', (chunk: Buffer) => {
      for (const piece of stream.push(chunk)) if (piece.kind === 'apdu') this.dialogue.hear(piece);
    });
    socket.on('close', () => {
      this.#register = undefined;
      this.dialogue.reset();
    });
  }

  #send(apdu: Uint8Array): void {
    for (const piece of this.#cut(apdu)) this.#register?.write(piece);
  }
}

/** The same on a serial line: frames with CRC, each acknowledged, each repeated when it was not taken. */
export class VirtualSerialPaymentTerminal implements Closable {
  readonly dialogue: ZvtTerminalDialogue;
  readonly #line: Duplex;
  readonly #stream = new SerialFrameStream(APDU_BYTES_MAX);
  readonly #outbox: Uint8Array[] = [];
  #sending: Uint8Array | undefined;
  #unheard = 0;
  #damaged = 0;

  /** @param line the terminal’s end of the line */
  constructor(line: Duplex) {
    this.#line = line;
    this.dialogue = new ZvtTerminalDialogue((apdu) => {
      this.#outbox.push(encodeSerialFrame(apdu));
      this.#sendNext();
    });
    line.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  /** The next frames from the register are lost on the line. */
  loseNext(frames: number): void {
    this.#unheard = frames;
  }

  /** The next frames to the register arrive with a wrong CRC. */
  damageNext(frames: number): void {
    this.#damaged = frames;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#line.end(resolve));
    this.#line.destroy();
  }

  #take(chunk: Uint8Array): void {
    for (const piece of this.#stream.push(chunk)) {
      switch (piece.kind) {
        case 'ack':
          this.#sending = undefined;
          this.#sendNext();
          break;
        case 'nak':
          this.#transmit();
          break;
        case 'frame': {
          if (this.#unheard > 0) {
            this.#unheard -= 1;
            break;
          }
          this.#line.write(Uint8Array.of(ACK));
          const apdu = decodeApdu(piece.apdu);
          if (apdu !== undefined) this.dialogue.hear(apdu);
          break;
        }
        case 'damaged':
          this.#line.write(Uint8Array.of(NAK));
          break;
        case 'noise':
          break;
      }
    }
  }

  #sendNext(): void {
    if (this.#sending !== undefined) return;
    this.#sending = this.#outbox.shift();
    this.#transmit();
  }

  #transmit(): void {
    const frame = this.#sending;
    if (frame === undefined) return;
    if (this.#damaged > 0) {
      this.#damaged -= 1;
      const wrong = Uint8Array.from(frame);
      wrong[wrong.length - 1] = (wrong[wrong.length - 1] ?? 0) ^ 0x01;
      this.#line.write(wrong);
    } else {
      this.#line.write(frame);
    }
  }
}
