import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { encodeOpiMessage, OpiMessageStream } from '../../drivers/protocol/opi/message-stream.ts';
import type { Closable } from '../../foundation/lifecycle.ts';

/** A card as an O.P.I. terminal tells of it. Test numbers only. */
export interface OpiTerminalCard {
  /** As it stands in CardPAN, masked or not. */
  readonly pan: string;
  /** Track 2 as a careless terminal would send it. */
  readonly track2?: string;
  /** Further elements of PrivateData, such as PAR, by name. */
  readonly privateData?: Readonly<Record<string, string>>;
  /** `Success` unless told otherwise. */
  readonly overallResult?: string;
}

/** A request of the register, as far as a terminal needs it here. */
interface Request {
  readonly root: 'CardServiceRequest' | 'ServiceRequest';
  readonly type: string;
  readonly id: string;
}

/** The XML of a response as public examples have it. */
export function opiResponse(request: Request, card: OpiTerminalCard | undefined): string {
  const root = request.root.replace('Request', 'Response');
  const result = card?.overallResult ?? 'Success';
  const head = `<?xml version="1.0" encoding="ISO-8859-1" ?>
<${root} ApplicationSender="xPay" OverallResult="${result}" POPID="001" RequestID="${request.id}" RequestType="${request.type}" WorkstationID="Kasse Süd" xmlns="http://www.nrf-arts.org/IXRetail/namespace" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`;
  if (card === undefined) return `${head}\n</${root}>`;
  const more = Object.entries(card.privateData ?? {}).map(([name, text]) => `<${name}>${text}</${name}>`);
  return `${head}
  <Terminal STAN="72" TerminalID="43100066" />
  <Tender>
    <TotalAmount Currency="EUR" PaymentAmount="120.00">120.00</TotalAmount>
    <Authorisation CardPAN="${card.pan}" Merchant="455600000599 " TimeStamp="2026-07-20T10:50:55" AcquirerID="431" ActionCode="0" ReturnCode="0" CardCircuit="girocard" ApprovalCode="00001111" ReceiptNumber="25" AuthorisationType="Online" />
  </Tender>
  <CardDetails><ExpiryDate>12/30</ExpiryDate></CardDetails>
  <CardValue><CardCircuit>girocard</CardCircuit><ExpiryDate>12/30</ExpiryDate><Track1></Track1><Track2>${card.track2 ?? ''}</Track2><Track3></Track3><CardPAN>${card.pan}</CardPAN></CardValue>
  <PrivateData><CardHolderAuthentication>PIN</CardHolderAuthentication>${more.join('')}</PrivateData>
</${root}>`;
}

/** A payment terminal that speaks channel 0 of O.P.I. on TCP: one register at a time, one answer to each request. */
export class VirtualOpiTerminal implements Closable {
  readonly port: number;
  /** Types of the requests received, in order. */
  readonly received: string[] = [];
  readonly #server: Server;
  #register: Socket | undefined;
  #held: OpiTerminalCard | undefined;
  #waiting: Request | undefined;
  #last: OpiTerminalCard | undefined;
  #cut: (bytes: Uint8Array) => readonly Uint8Array[] = (bytes) => [bytes];

  private constructor(server: Server) {
    this.#server = server;
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /**
   * Listens on loopback.
   * @param port 0: any free one
   * @throws Error EADDRINUSE when the port is taken
   */
  static async open(port = 0): Promise<VirtualOpiTerminal> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new VirtualOpiTerminal(server);
  }

  /** A customer holds a card out: it is taken at once when the terminal waits for one, and otherwise when it next does. */
  present(card: OpiTerminalCard): void {
    this.#held = card;
    this.#takeCard();
  }

  /** How what it says is cut into pieces, as networks do. */
  cutWith(cut: (bytes: Uint8Array) => readonly Uint8Array[]): void {
    this.#cut = cut;
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
    const stream = new OpiMessageStream();
    socket.on('data', (chunk: Buffer) => {
      for (const piece of stream.push(chunk)) {
        if (piece.kind === 'message') this.#hear(Buffer.from(piece.body).toString('latin1'));
      }
    });
    socket.on('close', () => {
      this.#register = undefined;
      this.#waiting = undefined;
    });
  }

  #hear(xml: string): void {
    const root = xml.includes('<CardServiceRequest') ? 'CardServiceRequest' : 'ServiceRequest';
    const type = /RequestType="([^"]*)"/.exec(xml)?.[1] ?? '';
    const id = /RequestID="([^"]*)"/.exec(xml)?.[1] ?? '0';
    this.received.push(type);
    const request: Request = { root, type, id };
    if (root === 'ServiceRequest') {
      this.#say(opiResponse(request, undefined));
    } else if (type === 'TicketReprint') {
      this.#say(opiResponse(request, this.#last));
    } else {
      this.#waiting = request;
      this.#takeCard();
    }
  }

  #takeCard(): void {
    if (this.#held === undefined || this.#waiting === undefined) return;
    const request = this.#waiting;
    this.#last = this.#held;
    this.#held = undefined;
    this.#waiting = undefined;
    this.#say(opiResponse(request, this.#last));
  }

  #say(xml: string): void {
    const message = encodeOpiMessage(Buffer.from(xml, 'latin1'));
    for (const piece of this.#cut(message)) this.#register?.write(piece);
  }
}
