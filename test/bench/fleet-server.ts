import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { writeSecretFile } from '../../foundation/secret-file.ts';
import type { ServerConfig } from '../../server/config.ts';
import { createMissingKeys, loadKeys, publicKeyFileOf, tillToken } from '../../server/keys.ts';
import { demoCardSchemes } from '../../simulator/demo-card-schemes.ts';
import { demoOffers, demoProgramme } from '../../simulator/demo-programme.ts';
import { freePort } from '../../simulator/free-port.ts';
import { JsonClient } from '../../simulator/json-client.ts';
import { ServerClient } from '../../simulator/server-client.ts';
import { MqttConfig } from '../../sync/mqtt/config.ts';
import { DurablePostgres } from '../faults/durable-postgres.ts';
import { FaultProcess } from '../faults/fault-process.ts';
import type { Installed } from '../faults/requirements.ts';
import { TestMosquitto } from '../support/mosquitto.ts';
import type { Heads } from './fleet-till.ts';
import { cardOf, customerId } from './intake-sales.ts';

const TENANT = 'fleet';
/** Customers made by one request. */
const BATCH = 500;
/** Of Linux: `getconf CLK_TCK`. */
const TICKS_PER_SECOND = 100;

const Health = z.object({ feed: z.record(z.string(), z.string()).nullable() });
const Card = z.object({ id: z.string() });

export interface FleetServerOptions {
  readonly installed: Installed;
  /** The server's own broker, or a Mosquitto beside it. */
  readonly broker: 'embedded' | 'mosquitto';
  readonly clock: Clock;
}

/** One real server with a PostgreSQL, both processes of their own. */
export class FleetServer implements Closable {
  readonly tenant: string = TENANT;
  readonly publicKey: KeyObject;
  readonly identifierKey: Buffer;
  readonly process: FaultProcess;
  readonly #http: JsonClient;
  readonly #api: ServerClient;
  readonly #brokerOf: (till: string) => MqttConfig;
  readonly #opened: Opened;

  private constructor(parts: {
    readonly publicKey: KeyObject;
    readonly identifierKey: Buffer;
    readonly process: FaultProcess;
    readonly http: JsonClient;
    readonly api: ServerClient;
    readonly brokerOf: (till: string) => MqttConfig;
    readonly opened: Opened;
  }) {
    this.publicKey = parts.publicKey;
    this.identifierKey = parts.identifierKey;
    this.process = parts.process;
    this.#http = parts.http;
    this.#api = parts.api;
    this.#brokerOf = parts.brokerOf;
    this.#opened = parts.opened;
  }

  static async open({ installed, broker, clock }: FleetServerOptions): Promise<FleetServer> {
    const opened = new Opened();
    try {
      const random = new SystemRandom();
      const folder = mkdtempSync(join(tmpdir(), 'stammkunde-fleet-'));
      opened.defer(() => rmSync(folder, { recursive: true, force: true }));
      const at = (name: string): string => join(folder, name);
      const postgres = opened.add(await DurablePostgres.open(installed.postgres, clock));
      const keys = {
        identifierKeyFile: at('identifier.key'),
        signingKeyFile: at('server.pem'),
        secretFile: at('server.secret'),
      };
      createMissingKeys(keys, at('api.token'), random);
      const { identifierKey, secret } = loadKeys(keys);
      const mosquitto =
        broker === 'mosquitto' ? opened.add(await TestMosquitto.open(installed.mosquitto)) : undefined;
      const port = mosquitto?.port ?? (await freePort(0));
      const httpPort = await freePort(0);
      const config: z.input<typeof ServerConfig> = {
        tenant: TENANT,
        dataFolder: at('server'),
        database: { url: postgres.url },
        broker:
          mosquitto === undefined
            ? { embedded: { host: '127.0.0.1', port } }
            : { url: `mqtt://127.0.0.1:${port}` },
        http: { port: httpPort, tokenFile: at('api.token') },
        keys,
        cardSchemes: demoCardSchemes,
        logLevel: 'warn',
      };
      writeFileSync(at('server.yaml'), stringify(config));
      const url = `http://127.0.0.1:${httpPort}`;
      const token = readFileSync(at('api.token'), 'utf8').trim();
      const api = new ServerClient(url, token);
      const process = opened.add(
        new FaultProcess({
          name: 'server',
          program: 'bin/stammkunde-server.js',
          args: ['--config', at('server.yaml')],
          logPath: at('server.log'),
          clock,
          isReady: () => api.isWell(),
        }),
      );
      await process.ready();
      return new FleetServer({
        publicKey: createPublicKey(readFileSync(publicKeyFileOf(keys))),
        identifierKey,
        process,
        http: new JsonClient(url, token),
        api,
        brokerOf: (till) => {
          const address = { url: `mqtt://127.0.0.1:${port}` };
          if (mosquitto !== undefined) return MqttConfig.parse(address);
          const passwordFile = at(`${till}.password`);
          writeSecretFile(passwordFile, tillToken(secret, TENANT, till), 'owner');
          return MqttConfig.parse({ ...address, username: till, passwordFile });
        },
        opened,
      });
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** How a till reaches the broker: with the waits of a till's own configuration. */
  brokerOf(till: string): MqttConfig {
    return this.#brokerOf(till);
  }

  async fill(customers: number, at: number): Promise<void> {
    await this.#api.putProgramme(demoProgramme);
    for (const offer of demoOffers(at)) await this.#api.putOffer(offer);
    for (let from = 0; from < customers; from += BATCH) {
      await this.#api.createCustomers(
        Array.from({ length: Math.min(BATCH, customers - from) }, (_, i) => ({
          id: customerId(from + i, at),
          tier: 'basic',
          purposes: [],
          greeting: null,
          profile: {},
          cards: [{ scheme: 'house', number: cardOf(from + i), validUntil: null }],
        })),
      );
    }
  }

  /** Where the feed stands; undefined before the server has looked. */
  async heads(): Promise<Heads | undefined> {
    const { feed } = await this.#http.call('GET', '/healthz', Health);
    if (feed === null) return undefined;
    const position = (name: string) => {
      const [xid = '0', seq = '0'] = (feed[name] ?? '').split('/');
      return { xid, seq: Number(seq) };
    };
    return {
      credentials: position('credentials'),
      customers: position('customers'),
      offers: position('offers'),
      programme: position('programme'),
    };
  }

  /** Gives a customer one more card. @returns its id */
  async issue(customer: string, number: string): Promise<string> {
    const body = { scheme: 'house', number, validUntil: null };
    return (await this.#http.call('POST', `/v1/customers/${customer}/cards`, Card, body)).id;
  }

  /** Resolves when the server has answered. */
  async block(card: string): Promise<void> {
    await this.#http.call('POST', `/v1/cards/${card}/block`, Card);
  }

  /** What the server's process used so far, and holds now; zero where the system does not tell. */
  usage(): { readonly cpuMs: number; readonly rssMb: number } {
    const of = (file: string): string => {
      try {
        return readFileSync(`/proc/${this.process.pid ?? 0}/${file}`, 'utf8');
      } catch {
        return '';
      }
    };
    // proc(5): after the name in brackets, utime and stime are the 12th and 13th field.
    const fields = of('stat').split(') ').at(-1)?.split(' ') ?? [];
    const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    const rssKb = Number(/^VmRSS:\s+(\d+) kB/m.exec(of('status'))?.[1] ?? 0);
    return { cpuMs: (ticks * 1_000) / TICKS_PER_SECOND, rssMb: Math.round((rssKb * 1_024) / 1e5) / 10 };
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}
