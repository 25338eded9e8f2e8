import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Random } from '../../foundation/random.ts';
import { uuidV7 } from '../../foundation/random.ts';
import { newSecret, writeSecretFile } from '../../foundation/secret-file.ts';
import type { EdgeConfig } from '../../edge/config.ts';
import type { ServerConfig } from '../../server/config.ts';
import { createMissingKeys, publicKeyFileOf } from '../../server/keys.ts';
import { cardNumber } from '../../simulator/card-numbers.ts';
import { demoCardSchemes } from '../../simulator/demo-card-schemes.ts';
import { demoProgramme } from '../../simulator/demo-programme.ts';
import { freePort } from '../../simulator/free-port.ts';
import { JsonClient } from '../../simulator/json-client.ts';
import { ServerClient } from '../../simulator/server-client.ts';
import { TillClient } from '../../simulator/till-client.ts';
import { TestMosquitto } from '../support/mosquitto.ts';
import { ChaosProxy } from './chaos-proxy.ts';
import { DurablePostgres } from './durable-postgres.ts';
import { FaultProcess } from './fault-process.ts';
import { MUTANT_VARIABLE, MUTATE } from './mutants.ts';
import type { MutantName } from './mutants.ts';
import type { Installed } from './requirements.ts';

export const TENANT = 'faults';
const CUSTOMERS = 12;
/** Small enough to be filled at once, large enough for a till's files. */
const TINY_DISK = '48m';

/** A customer as an onlooker knows them. */
export interface KnownCustomer {
  readonly id: string;
  readonly card: string;
}

/** A till, the way to its broker, and its data folder. */
export interface FaultTill {
  readonly name: string;
  readonly process: FaultProcess;
  readonly way: ChaosProxy;
  readonly http: JsonClient;
  readonly api: TillClient;
  readonly configFile: string;
  readonly dataFolder: string;
  /** Whether the folder is a disk of its own, so small that it can be filled. */
  readonly hasTinyDisk: boolean;
}

export interface FaultWorker {
  readonly process: FaultProcess;
  readonly client: ServerClient;
  readonly url: string;
  readonly configFile: string;
}

/** Fills the disk; no part of what is kept of a till. */
export const FILLER = 'filler';

export interface ShopSize {
  readonly tills: number;
  readonly workers: number;
  /** Whether its files stay. */
  readonly keep: boolean;
  /** What the programs are changed to. */
  readonly mutant: MutantName | undefined;
}

/** PostgreSQL, Mosquitto, server workers and tills, each a process of its own. */
export class FaultShop implements Closable {
  readonly folder: string;
  readonly postgres: DurablePostgres;
  readonly broker: TestMosquitto;
  readonly tills: readonly FaultTill[];
  readonly workers: readonly FaultWorker[];
  readonly customers: readonly KnownCustomer[];
  readonly serverTokenFile: string;
  readonly publicKey: string;
  readonly #opened: Opened;
  readonly #kept: { all: boolean };

  private constructor(
    parts: Omit<{ [K in keyof FaultShop]: FaultShop[K] }, 'close' | 'keepFiles'>,
    opened: Opened,
    kept: { all: boolean },
  ) {
    this.folder = parts.folder;
    this.postgres = parts.postgres;
    this.broker = parts.broker;
    this.tills = parts.tills;
    this.workers = parts.workers;
    this.customers = parts.customers;
    this.serverTokenFile = parts.serverTokenFile;
    this.publicKey = parts.publicKey;
    this.#opened = opened;
    this.#kept = kept;
  }

  static async open(
    installed: Installed,
    size: ShopSize,
    ports: { readonly clock: Clock; readonly random: Random; readonly seeded: Random },
  ): Promise<FaultShop> {
    const opened = new Opened();
    const { clock, random, seeded } = ports;
    const kept = { all: size.keep };
    const changed =
      size.mutant === undefined ? {} : { imports: [MUTATE], given: { [MUTANT_VARIABLE]: size.mutant } };
    try {
      const folder = mkdtempSync(join(tmpdir(), 'stammkunde-faults-'));
      opened.defer(async () => {
        if (!kept.all) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
      });
      const postgres = opened.add(await DurablePostgres.open(installed.postgres, clock));
      const broker = opened.add(await TestMosquitto.open(installed.mosquitto));
      const at = (name: string): string => join(folder, name);
      const keys = {
        identifierKeyFile: at('keys/identifier.key'),
        signingKeyFile: at('keys/server.pem'),
        secretFile: at('keys/server.secret'),
      };
      const serverTokenFile = at('keys/server-api.token');
      createMissingKeys(keys, serverTokenFile, random);
      const serverToken = readFileSync(serverTokenFile, 'utf8').trim();
      const reach = { keepaliveSeconds: 3, reconnect: { firstMs: 50, maxMs: 500 }, publishTimeoutMs: 3_000 };

      const workers: FaultWorker[] = [];
      for (let i = 1; i <= size.workers; i += 1) {
        const port = await freePort(0);
        const config: z.input<typeof ServerConfig> = {
          tenant: TENANT,
          dataFolder: at(`server-${i}`),
          database: { url: postgres.url },
          broker: { url: `mqtt://127.0.0.1:${broker.port}`, ...reach },
          http: { port, tokenFile: serverTokenFile },
          keys,
          cardSchemes: demoCardSchemes,
        };
        const configFile = at(`server-${i}.yaml`);
        writeFileSync(configFile, stringify(config));
        const url = `http://127.0.0.1:${port}`;
        const client = new ServerClient(url, serverToken);
        const process = opened.add(
          new FaultProcess({
            name: `server-${i}`,
            program: 'bin/stammkunde-server.js',
            args: ['--config', configFile],
            logPath: at(`server-${i}.log`),
            clock,
            isReady: () => client.isWell(),
            ...changed,
          }),
        );
        workers.push({ process, client, url, configFile });
        // The first makes the tables.
        if (i === 1) await process.ready();
      }
      const [first] = workers;
      if (first === undefined) throw new Error('there must be a server');
      const customers = await fill(first.client, clock, random);

      const tills: FaultTill[] = [];
      for (let i = 1; i <= size.tills; i += 1) {
        const name = `till-${i}`;
        const dataFolder = at(name);
        const hasTinyDisk = installed.canMount && i === size.tills;
        mkdirSync(dataFolder, { mode: 0o700 });
        if (hasTinyDisk) {
          execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${TINY_DISK},mode=0700`, 'tmpfs', dataFolder]);
          opened.defer(() => {
            if (kept.all) copyFiles(dataFolder, `${dataFolder}-disk`);
            execFileSync('umount', [dataFolder]);
          });
        }
        const way = opened.add(await ChaosProxy.open(broker.port, { clock, random: seeded }));
        const port = await freePort(0);
        const file = (key: string, protection: 'owner' | 'group'): string => {
          const path = at(`keys/${name}-${key}`);
          writeSecretFile(path, newSecret(random), protection);
          return path;
        };
        const tokenFile = file('api.token', 'group');
        const config: z.input<typeof EdgeConfig> = {
          tenant: TENANT,
          till: name,
          store: 'store-1',
          currency: demoProgramme.currency,
          dataFolder,
          keys: {
            tillKeyFile: file('till.key', 'owner'),
            identifierKeyFile: keys.identifierKeyFile,
            serverPublicKeyFile: publicKeyFileOf(keys),
          },
          broker: { url: `mqtt://127.0.0.1:${way.port}`, ...reach },
          readers: [],
          cardSchemes: demoCardSchemes,
          api: { port, tokenFile, displayTokenFile: file('display.token', 'group') },
          replica: { pollSeconds: 5, noticeJitterMs: 50 },
        };
        const configFile = at(`${name}.yaml`);
        writeFileSync(configFile, stringify(config));
        const token = readFileSync(tokenFile, 'utf8').trim();
        const http = new JsonClient(`http://127.0.0.1:${port}`, token);
        const api = new TillClient(http.url, token);
        const process = opened.add(
          new FaultProcess({
            name,
            program: 'bin/stammkunde-edge.js',
            args: ['--config', configFile],
            logPath: at(`${name}.log`),
            clock,
            isReady: async () => (await api.status()).till === name,
            ...changed,
          }),
        );
        tills.push({ name, process, way, http, api, configFile, dataFolder, hasTinyDisk });
      }
      const publicKey = readFileSync(publicKeyFileOf(keys), 'utf8');
      const parts = { folder, postgres, broker, tills, workers, customers, serverTokenFile, publicKey };
      const shop = new FaultShop(parts, opened, kept);
      for (const { process } of [...workers, ...tills]) await process.ready();
      return shop;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Whatever becomes of it, somebody is going to look at its files. */
  keepFiles(): void {
    this.#kept.all = true;
    this.postgres.keep = true;
  }

  close(): Promise<void> {
    return this.#opened.close();
  }
}

function copyFiles(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith(FILLER) });
}

async function fill(client: ServerClient, clock: Clock, random: Random): Promise<readonly KnownCustomer[]> {
  await client.putProgramme(demoProgramme);
  const customers = Array.from({ length: CUSTOMERS }, (_, i) => ({
    id: uuidV7(clock.now(), random),
    card: cardNumber('house', i + 1).number,
  }));
  await client.createCustomers(
    customers.map(({ id, card }) => ({
      id,
      tier: 'basic',
      purposes: [],
      greeting: null,
      profile: {},
      cards: [{ scheme: 'house', number: card, validUntil: null }],
    })),
  );
  return customers;
}
