import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { TerminalLine } from '../../../../drivers/protocol/payment-terminal/terminal-line.ts';
import { ApduStream, commands, encodeApdu, isAnswer } from '../../../../drivers/protocol/zvt/apdu.ts';
import { ZvtConfig } from '../../../../drivers/protocol/zvt/config.ts';
import { zvtDriver } from '../../../../drivers/protocol/zvt/driver.ts';
import type { Opened } from '../../../../foundation/lifecycle.ts';
import { VirtualPaymentTerminal } from '../../../../simulator/readers/virtual-payment-terminal.ts';
import type { TerminalCard } from '../../../../simulator/readers/virtual-payment-terminal-zvt-dialogue.ts';
import { hex } from '../../hex.ts';
import { PAR } from './captured-frames.ts';
import { TerminalPorts } from './terminal-ports.ts';

export const girocard: TerminalCard = { pan: 'EEEEEEEEEEEE4281', par: PAR, cardType: 5 };
export const authorisation = hex('06 01 07 04 00 00 00 00 10 00');

/** Resolves when a socket is closed, by an end or a break. */
export function gone(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

/** A cash register: it answers what the terminal says, and keeps every byte of it. */
export class Register {
  readonly socket: Socket;
  readonly sent: Buffer[] = [];
  readonly received: Buffer[] = [];
  readonly #stream = new ApduStream({ keeps: () => true, limitBytes: 65_536 });
  readonly #cut: (bytes: Uint8Array) => readonly Uint8Array[];
  #done = Promise.withResolvers<number>();

  private constructor(socket: Socket, cut: (bytes: Uint8Array) => readonly Uint8Array[]) {
    this.socket = socket;
    this.#cut = cut;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.received.push(Buffer.from(chunk));
      for (const piece of this.#stream.push(chunk)) {
        if (piece.kind !== 'apdu') continue;
        if (!isAnswer(piece.command)) this.send(encodeApdu(commands.acknowledged));
        if (piece.command === commands.completion || piece.command === commands.abortByTerminal) {
          this.#done.resolve(piece.command);
        }
      }
    });
  }

  static async dial(
    opened: Opened,
    port: number,
    cut: (bytes: Uint8Array) => readonly Uint8Array[] = (bytes) => [bytes],
  ): Promise<Register> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const register = new Register(socket, cut);
    opened.defer(() => void socket.destroy());
    await new Promise<void>((resolve) => {
      socket.once('connect', () => resolve());
      socket.once('close', () => resolve()); // hung up on at once
    });
    return register;
  }

  send(bytes: Uint8Array): void {
    this.sent.push(Buffer.from(bytes));
    for (const piece of this.#cut(bytes)) this.socket.write(piece);
  }

  /** Sends a command and resolves with how it ended: 06 0F or 06 1E. */
  async run(command: Uint8Array): Promise<number> {
    this.#done = Promise.withResolvers();
    this.send(command);
    return this.#done.promise;
  }
}

export async function shop(opened: Opened): Promise<{
  readonly terminal: VirtualPaymentTerminal;
  readonly ports: TerminalPorts;
  readonly driver: TerminalLine;
}> {
  const terminal = opened.add(await VirtualPaymentTerminal.open());
  const ports = new TerminalPorts();
  const config = ZvtConfig.parse({
    kind: 'zvt',
    id: 'terminal',
    terminal: { kind: 'tcp', host: '127.0.0.1', port: terminal.port },
    mode: { kind: 'listen', port: 0 },
    tokens: ['1f8007', '1f8008', '1f14'],
  });
  const driver = opened.add(await zvtDriver(config)(ports));
  if (!(driver instanceof TerminalLine)) throw new Error('it does not listen');
  return { terminal, ports, driver };
}
