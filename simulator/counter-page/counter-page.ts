import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asError } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { ControlOrder } from '../control-contract.ts';

/** A button: what it says, and what happens when it is pressed. */
export interface CounterButton {
  readonly group: string;
  readonly label: string;
  readonly order: ControlOrder;
}

const BODY_MAX = 16_384;
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
};
const HEADERS = {
  'content-security-policy': "default-src 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/**
 * A page with a button for everything that can be held before the virtual readers, on loopback. Only whoever has its
 * address with the token presses them; a page from elsewhere has neither the token nor the right host name.
 */
export class CounterPage implements Closable {
  readonly #server: Server;
  readonly #token: string;
  readonly #buttons: readonly CounterButton[];
  readonly #obey: (order: ControlOrder) => Promise<void>;
  #closing: Promise<void> | undefined;

  private constructor(options: CounterPageOptions, server: Server) {
    this.#server = server;
    this.#token = options.token;
    this.#buttons = options.buttons;
    this.#obey = options.obey;
    // Every fault becomes an answer.
    server.on(
      'request',
      (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response),
    );
  }

  static async open(options: CounterPageOptions): Promise<CounterPage> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CounterPage(options, server);
  }

  /** With the token behind the `#`, where it is sent to nobody. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/#token=${this.#token}`;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closing;
  }

  get #port(): number {
    // A server that listens on TCP has an AddressInfo; the other types belong to pipes and closed servers.
    return (this.#server.address() as AddressInfo).port;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { status, type, body } = await this.#respond(request);
      response.writeHead(status, { ...HEADERS, 'content-type': type }).end(body);
    } catch (error) {
      response.writeHead(500, HEADERS).end(asError(error).message);
    }
  }

  async #respond(request: IncomingMessage): Promise<{ status: number; type: string; body: string | Buffer }> {
    if (request.headers.host !== `127.0.0.1:${this.#port}`) return told(403, 'another host name');
    const file = request.method === 'GET' ? FILES[request.url ?? ''] : undefined;
    if (file !== undefined) {
      return { status: 200, type: file[1], body: readFileSync(new URL(`page/${file[0]}`, import.meta.url)) };
    }
    if (!this.#mayPress(request)) return told(401, 'the token is wrong');
    if (request.method === 'GET' && request.url === '/buttons') {
      const buttons = this.#buttons.map(({ group, label }, id) => ({ id, group, label }));
      return { status: 200, type: 'application/json', body: JSON.stringify(buttons) };
    }
    if (request.method !== 'POST' || request.url !== '/press') return told(404, 'nothing here');
    const button = this.#buttons[Number(await bodyOf(request))];
    if (button === undefined) return told(422, 'no such button');
    try {
      await this.#obey(button.order);
    } catch (error) {
      return told(409, asError(error).message);
    }
    return told(200, 'done');
  }

  #mayPress(request: IncomingMessage): boolean {
    const given = Buffer.from(request.headers.authorization ?? '');
    const wanted = Buffer.from(`Bearer ${this.#token}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }
}

interface CounterPageOptions {
  readonly token: string;
  readonly buttons: readonly CounterButton[];
  /** Carries an order out; what it throws is told to whoever pressed. */
  readonly obey: (order: ControlOrder) => Promise<void>;
}

function told(status: number, message: string): { status: number; type: string; body: string } {
  return { status, type: 'text/plain; charset=utf-8', body: message };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > BODY_MAX) throw new Error('the request is too long');
  }
  return body;
}
