import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { StammkundeError } from '../../../foundation/errors.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { writeSecretFile } from '../../../foundation/secret-file.ts';
import { ErrorBody } from '../../../edge/api/api-error.ts';
import { ApiConfig } from '../../../edge/api/config.ts';
import { EventMessage } from '../../../edge/api/events.ts';
import { LocalApi } from '../../../edge/api/local-api.ts';
import type { LocalApiOptions } from '../../../edge/api/local-api.ts';
import type { IdentifiedNews, TillNews, TillPort } from '../../../edge/api/till-port.ts';
import type { Journal } from '../../../edge/journal/journal.ts';
import { ReceiptClaims } from '../../../edge/sale/claims.ts';
import { Redemptions } from '../../../edge/sale/redemptions.ts';
import { Returns } from '../../../edge/sale/returns.ts';
import { ReaderClaims } from '../../../edge/pass-through/reader-claims.ts';
import { Linking } from '../../../edge/linking/linking.ts';
import { identificationView } from '../../../edge/sale/sale-view.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { linkProgramme } from '../../server/link-programme.ts';
import { openJournal, temporaryFolder } from '../journal/journal-fixture.ts';
import { identified, newSales, programme, rules } from '../sale/sale-fixture.ts';

export const POS_TOKEN = 'pos-token-0123456789';
export const DISPLAY_TOKEN = 'display-token-0123456789';
export const POS_ORIGIN = 'https://pos.example:8443';

export interface ApiShop {
  readonly api: LocalApi;
  readonly clock: ManualClock;
  readonly journal: Journal;
  readonly till: TillPort;
  readonly linking: Linking;
  /** What the till tells of its own accord. */
  tell(event: TillNews): void;
}

/** A served till without readers or server: real sales on a real journal, and a number or two it knows. */
export async function openApi(
  onEnd: (end: () => Promise<void> | void) => void,
  options: Partial<LocalApiOptions> & { readonly host?: ApiConfig['host']; readonly port?: number } = {},
): Promise<ApiShop> {
  const folder = temporaryFolder(onEnd);
  const tokenFile = join(folder, 'pos.token');
  const displayTokenFile = join(folder, 'display.token');
  writeSecretFile(tokenFile, POS_TOKEN, 'group');
  writeSecretFile(displayTokenFile, DISPLAY_TOKEN, 'group');
  const clock = new ManualClock();
  const journal = await openJournal(folder, { clock });
  const sales = newSales(journal, clock, { random: new SeededRandom(31) });
  const listeners = new Set<(event: TillNews) => void>();
  const tell = (event: TillNews): void => listeners.forEach((listener) => listener(event));
  sales.onChange((sale) => tell({ event: 'sale', sale }));
  const linking = new Linking({
    journal,
    rules: () => ({ programme: linkProgramme, offers: [], stale: false }),
    identified: (id) => sales.identified(id),
    clockQuality: () => 'good',
    storeId: 'store-1',
    clock,
    random: new SeededRandom(32),
    log: silentLog,
    tell: (view) => tell({ event: 'linking', linking: view }),
  });
  const redemptions = new Redemptions({
    sales,
    allowances: journal.allowances,
    desk: {
      reserve: () => Promise.reject(new StammkundeError('BUS_UNREACHABLE', 'nobody is there')),
      release: () => Promise.resolve(),
      allowance: () => Promise.resolve(null),
    },
    rules: () => rules,
    isOnline: () => false,
    clockQuality: () => 'good',
    // It renews its allowance by a clock of its own: tests count what waits on the other.
    clock: new ManualClock(),
    random: new SeededRandom(33),
    log: silentLog,
  });
  onEnd(() => redemptions.close());
  const returns = new Returns({
    journal,
    store: journal.openSales,
    storeId: 'store-1',
    clock,
    random: new SeededRandom(34),
  });
  const till: TillPort = {
    redemptions,
    receiptClaims: new ReceiptClaims({
      journal,
      store: journal.openSales,
      identified: (id) => sales.identified(id),
      storeId: 'store-1',
      clock,
      random: new SeededRandom(35),
    }),
    returns,
    till: 'till-1',
    store: 'store-1',
    sales,
    linking,
    status: () => ({
      sync: {
        server: 'disconnected',
        unconfirmed: journal.unconfirmed,
        diverged: false,
        replica: { ready: false, customers: 0, credentials: 0, caughtUpAt: null, ageMs: null },
      },
      readers: [{ id: 'counter', kind: 'serial', status: 'ready', code: null, scans: 3 }],
    }),
    claims: new ReaderClaims(['counter', 'portal'], clock),
    requestRead: (readerId) => {
      if (readerId === 'counter') throw new StammkundeError('READER_NOT_READY', 'reads by itself');
      if (readerId !== 'terminal') throw new StammkundeError('READER_NOT_FOUND', 'there is no such reader');
    },
    identifyTyped: async (number) => {
      if (number.startsWith('4')) return { kind: 'refused', code: 'PAN_REJECTED', reason: 'a payment card' };
      const card = identified(clock);
      const event: IdentifiedNews = {
        event: 'identified',
        identificationId: card.identificationId,
        scanId: null,
        credential: card.credential,
        trust: 'L0',
        may: ['earn-limited', 'earn'],
        downgrade: null,
        identification: identificationView(card.as, programme),
        offers: [],
        currency: null,
        replicaAgeMs: null,
        tookMs: 0.2,
      };
      sales.present(card);
      tell(event);
      return { kind: 'identified', event };
    },
    onEvent: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const config = ApiConfig.parse({
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    tokenFile,
    displayTokenFile,
    allowedOrigins: [POS_ORIGIN],
  });
  const api = await LocalApi.open({ config, till, clock, log: silentLog, ...options });
  onEnd(async () => {
    await api.close();
    await journal.close();
  });
  return { api, clock, journal, till, linking, tell };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

export interface Call {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly raw?: Uint8Array | string;
  readonly headers?: OutgoingHttpHeaders;
  readonly token?: string | null;
}

/** One request with exactly these headers, which no `fetch` would send. */
export async function call(api: LocalApi, options: Call): Promise<Answer> {
  const payload = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const token = options.token === undefined ? POS_TOKEN : options.token;
  const sent = request({
    host: '127.0.0.1',
    port: api.port,
    method: options.method ?? 'GET',
    path: options.path,
    agent: false,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
      ...options.headers,
    },
  });
  // A body that is refused early may break the pipe after the answer has come.
  sent.on('error', () => {});
  sent.end(payload);
  const [response] = (await once(sent, 'response')) as [IncomingMessage]; // what 'response' carries
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(response, 'close');
  return { status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) };
}

/** Status and stable code of a refusal. */
export function refusal(answer: Answer): readonly [status: number, code: string] {
  return [answer.status, ErrorBody.parse(answer.json).error.code];
}

function parsed(text: string): unknown {
  const result = z
    .string()
    .transform((value, context) => {
      try {
        return JSON.parse(value) as unknown;
      } catch {
        context.addIssue('no JSON');
        return z.NEVER;
      }
    })
    .safeParse(text);
  return result.success ? result.data : undefined;
}

/** A client of the events that keeps all it was told. */
export class EventClient {
  readonly socket: WebSocket;
  readonly messages: EventMessage[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(
    api: LocalApi,
    options: { readonly headers?: Record<string, string>; readonly protocols?: string[] } = {},
  ) {
    this.socket = new WebSocket(`ws://127.0.0.1:${api.port}/v1/events`, options.protocols ?? [], {
      headers: options.headers ?? { authorization: `Bearer ${POS_TOKEN}` },
    });
    this.socket.on('message', (bytes: Buffer) => {
      this.messages.push(EventMessage.parse(JSON.parse(bytes.toString())));
      for (const wake of this.#waiting) wake();
    });
    this.socket.on('error', () => {});
  }

  /** Resolves when so many messages have come. */
  async received(count: number): Promise<readonly EventMessage[]> {
    while (this.messages.length < count) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    return this.messages;
  }

  /** The close code. */
  async closed(): Promise<number> {
    const [code] = (await once(this.socket, 'close')) as [number]; // what 'close' carries
    return code;
  }
}

/** The HTTP status a WebSocket handshake is refused with, or 101. */
export async function handshake(
  api: LocalApi,
  options: {
    readonly headers?: Record<string, string>;
    readonly protocols?: string[];
    readonly path?: string;
  },
): Promise<number> {
  const socket = new WebSocket(
    `ws://127.0.0.1:${api.port}${options.path ?? '/v1/events'}`,
    options.protocols ?? [],
    {
      headers: options.headers ?? {},
    },
  );
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('open', () => {
      resolve(101);
      socket.terminate();
    });
    socket.on('unexpected-response', (sent, response) => {
      resolve(response.statusCode ?? 0);
      sent.destroy();
    });
  });
}
