// Goal: a till that listens in on channel 0 is a cable, and knows who pays.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { OpiConfig } from '../../../../drivers/protocol/opi/config.ts';
import { opiDriver } from '../../../../drivers/protocol/opi/driver.ts';
import { encodeOpiMessage, OpiMessageStream } from '../../../../drivers/protocol/opi/message-stream.ts';
import { TerminalLine } from '../../../../drivers/protocol/payment-terminal/terminal-line.ts';
import { Opened } from '../../../../foundation/lifecycle.ts';
import {
  opiResponse,
  VirtualOpiTerminal,
} from '../../../../simulator/readers/virtual-payment-terminal-opi.ts';
import type { OpiTerminalCard } from '../../../../simulator/readers/virtual-payment-terminal-opi.ts';
import { asText, text } from '../../hex.ts';
import { testPans } from '../../../sync/contract/payment-cards.ts';
import { PAR } from '../zvt/captured-frames.ts';
import { TerminalPorts, told } from '../zvt/terminal-ports.ts';

let opened = new Opened();
afterEach(async () => {
  await opened.close();
  opened = new Opened();
});

const card: OpiTerminalCard = { pan: '672667#########3214', privateData: { PAR } };

function request(type: string, root = 'CardServiceRequest'): string {
  return `<?xml version="1.0" encoding="ISO-8859-1"?><${root} ApplicationSender="Kasse" POPID="001" RequestID="0" RequestType="${type}" WorkstationID="Kasse Süd" xmlns="http://www.nrf-arts.org/IXRetail/namespace"><POSData><POSTimeStamp>2026-07-20T10:50:55</POSTimeStamp></POSData><TotalAmount Currency="EUR">120.00</TotalAmount></${root}>`;
}

/** A cash register on channel 0. */
class Register {
  readonly #socket: Socket;
  readonly #stream = new OpiMessageStream();
  readonly #cut: (bytes: Uint8Array) => readonly Uint8Array[];
  #answered: (xml: string) => void = () => {};

  private constructor(socket: Socket, cut: (bytes: Uint8Array) => readonly Uint8Array[]) {
    this.#socket = socket;
    this.#cut = cut;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const piece of this.#stream.push(chunk))
        if (piece.kind === 'message') this.#answered(asText(piece.body));
    });
  }

  static async dial(
    port: number,
    cut: (bytes: Uint8Array) => readonly Uint8Array[] = (bytes) => [bytes],
  ): Promise<Register> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    opened.defer(() => void socket.destroy());
    await once(socket, 'connect');
    return new Register(socket, cut);
  }

  ask(xml: string): Promise<string> {
    const answer = new Promise<string>((resolve) => (this.#answered = resolve));
    for (const piece of this.#cut(encodeOpiMessage(text(xml)))) this.#socket.write(piece);
    return answer;
  }
}

async function shop(): Promise<{ terminal: VirtualOpiTerminal; ports: TerminalPorts; port: number }> {
  const terminal = opened.add(await VirtualOpiTerminal.open());
  const ports = new TerminalPorts();
  const config = OpiConfig.parse({
    kind: 'opi',
    id: 'terminal',
    terminal: { host: '127.0.0.1', port: terminal.port },
    listen: { port: 0 },
    tokenNames: ['CardToken'],
  });
  const line = opened.add(await opiDriver(config)(ports));
  if (!(line instanceof TerminalLine)) throw new Error('it does not listen');
  return { terminal, ports, port: line.port };
}

test('a payment passes byte for byte however it is cut, and the customer is known once', async () => {
  const { terminal, ports, port } = await shop();
  const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 8 });
  const cutter =
    (lengths: readonly number[]) =>
    (bytes: Uint8Array): readonly Uint8Array[] => {
      const pieces: Uint8Array[] = [];
      for (let at = 0, next = 0; at < bytes.length; next += 1) {
        const length = lengths[next % lengths.length] ?? 1;
        pieces.push(bytes.slice(at, at + length));
        at += length;
      }
      return pieces;
    };
  const register = await Register.dial(port, (bytes) => cutter([3, 100, 1])(bytes));
  await fc.assert(
    fc.asyncProperty(sizes, async (lengths) => {
      terminal.cutWith(cutter(lengths));
      terminal.present(card);
      const answer = await register.ask(request('CardPayment'));
      expect(answer).toBe(opiResponse({ root: 'CardServiceRequest', type: 'CardPayment', id: '0' }, card));
    }),
    { numRuns: 30 },
  );
  expect(ports.scans.items.map(told)).toEqual(Array.from({ length: 30 }, () => `emv-par ${PAR}`));
});

test('a token that is configured becomes a scan of its own kind', async () => {
  const { terminal, ports, port } = await shop();
  const register = await Register.dial(port);
  terminal.present({ ...card, privateData: { CardToken: 'tok-1' } });
  await register.ask(request('CardPayment'));
  expect(ports.scans.items.map(told)).toEqual(['card-token opi-cardtoken:746f6b2d31']);
});

test('nobody is known by a reprinted ticket, a log-in or a payment that failed', async () => {
  const { terminal, ports, port } = await shop();
  const register = await Register.dial(port);
  terminal.present({ ...card, overallResult: 'Aborted' });
  await register.ask(request('CardPayment'));
  expect(ports.scans.items).toEqual([]);
  terminal.present(card);
  await register.ask(request('CardPayment'));
  expect(ports.scans.items).toHaveLength(1);
  expect(await register.ask(request('TicketReprint'))).toContain(PAR);
  await register.ask(request('Login', 'ServiceRequest'));
  expect(ports.scans.items).toHaveLength(1);
});

test('no card number is in any log line, scan or noise, whatever the terminal tells', async () => {
  const { terminal, ports, port } = await shop();
  const register = await Register.dial(port);
  for (const pan of testPans) {
    terminal.present({ pan, track2: `;${pan}=30121010?`, privateData: { CardToken: pan, Note: pan } });
    // What the register is told is not touched.
    expect(await register.ask(request('CardPayment'))).toContain(`<CardPAN>${pan}</CardPAN>`);
  }
  const output = [...ports.logged, ...ports.scans.items.map(told), JSON.stringify(ports.noise)].join('\n');
  for (const pan of testPans) expect(output).not.toContain(pan.slice(-6));
  expect(ports.scans.items).toEqual([]);
  expect(output).toContain('PAN_REJECTED');
});
