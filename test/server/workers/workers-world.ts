import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { SystemClock } from '../../../foundation/clock.ts';
import { Opened } from '../../../foundation/lifecycle.ts';
import type { Closable } from '../../../foundation/lifecycle.ts';
import { silentLog } from '../../../foundation/log.ts';
import type { Log } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { writeSecretFile } from '../../../foundation/secret-file.ts';
import { Database } from '../../../server/database/database.ts';
import { ServerConfig } from '../../../server/config.ts';
import { loadKeys, publicKeyFileOf, SERVER_USER, serverToken, tillToken } from '../../../server/keys.ts';
import { readTrialBalance } from '../../../server/ledger/ledger-store.ts';
import { putProgramme } from '../../../server/programme/programme-store.ts';
import { Server } from '../../../server/server.ts';
import { freePort } from '../../../simulator/free-port.ts';
import { ServerClient } from '../../../simulator/server-client.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { FaultProcess } from '../../faults/fault-process.ts';
import { programme } from '../programme.ts';
import type { ServerFolder } from '../server-folder.ts';
import { SellingTill } from './selling-till.ts';

export const TENANT = 'kaufhaus';
const RECONNECT = { firstMs: 50, maxMs: 300 };
export const ports = { clock: new SystemClock(), random: new SystemRandom(), log: silentLog };

type BrokerSettings = Partial<z.input<typeof MqttConfig>>;

/** Where things are; the test starts and ends them. */
export interface Places {
  /** The keys of all servers: a database belongs to them. */
  readonly folder: ServerFolder;
  readonly databaseUrl: string;
  readonly brokerPort: number;
  /** The one server has the broker within itself; then there is no other server. */
  readonly embedded?: boolean;
  /** What a user shows at a broker that asks. */
  readonly password?: (user: string) => string;
  /** What the servers and tills say of the broker beyond its address. */
  readonly broker?: BrokerSettings;
}

/** A worker as a process of its own, started again when it ends. */
export interface WorkerProcess {
  readonly name: string;
  readonly process: FaultProcess;
  readonly client: ServerClient;
  readonly url: string;
}

/** Whose log it is, and what it says of the broker in place of what all say. */
interface WorldOptions {
  readonly log?: Log;
  readonly broker?: BrokerSettings;
}

interface ClientOptions {
  readonly log?: Log;
  /** Filter of what it hears. */
  readonly hears?: string;
  readonly take?: (payload: string) => void;
}

/** Several servers with the same keys on one database and one broker, and tills that sell. */
export class WorkersWorld implements Closable {
  readonly #folder: ServerFolder;
  readonly #opened = new Opened();
  readonly #places: Places;
  #brokerUrl: string;
  #files = 0;

  constructor(places: Places) {
    this.#places = places;
    this.#folder = places.folder;
    this.#brokerUrl = `mqtt://127.0.0.1:${places.brokerPort}`;
  }

  get token(): string {
    return this.#folder.token;
  }

  /** What a worker is configured with. */
  config(
    worker: string,
    { httpPort = 0, broker = {} }: { httpPort?: number; broker?: BrokerSettings } = {},
  ): ServerConfig {
    return ServerConfig.parse({
      ...this.#folder.config,
      worker,
      dataFolder: join(this.#folder.path, worker),
      database: { url: this.#places.databaseUrl },
      broker: this.#isEmbedded ? { embedded: { port: 0 } } : { ...this.#broker(SERVER_USER), ...broker },
      http: { ...this.#folder.config.http, port: httpPort },
    });
  }

  /** A worker within this process. */
  async server(worker: string, { log = silentLog, broker }: WorldOptions = {}): Promise<Server> {
    const config = this.config(worker, broker === undefined ? {} : { broker });
    const server = this.#opened.add(await Server.open(config, { ...ports, log }));
    if (this.#isEmbedded) this.#brokerUrl = server.brokerUrl ?? '';
    return server;
  }

  /** A worker in a process of its own. Resolves when it is well. */
  async workerProcess(worker: string): Promise<WorkerProcess> {
    const port = await freePort(0);
    const file = join(this.#folder.path, `${worker}.yaml`);
    writeFileSync(file, stringify(this.config(worker, { httpPort: port })));
    const url = `http://127.0.0.1:${port}`;
    const client = new ServerClient(url, this.token);
    const process = this.#opened.add(
      new FaultProcess({
        name: worker,
        program: 'bin/stammkunde-server.js',
        args: ['--config', file],
        logPath: join(this.#folder.path, `${worker}.log`),
        clock: ports.clock,
        // Not answering yet throws, which is not well either.
        isReady: () => client.isWell(),
      }),
    );
    await process.ready();
    return { name: worker, process, client, url };
  }

  async till(name: string, { log = silentLog, broker }: WorldOptions = {}): Promise<SellingTill> {
    const config = MqttConfig.parse({ ...this.#broker(name), ...broker });
    const till = await SellingTill.open({
      ...ports,
      log,
      name,
      tenant: TENANT,
      publicKey: createPublicKey(readFileSync(publicKeyFileOf(this.#folder.config.keys))),
      openBus: (opening) => MqttBus.open(config, { ...opening, ...ports, log }),
    });
    return this.#opened.add(till);
  }

  /** Somebody at the broker in the name of a till, or of the server, who may hear a topic. */
  async client(
    name: string,
    { log = silentLog, hears, take = () => {} }: ClientOptions = {},
  ): Promise<MqttBus> {
    const onMessage = (_topic: string, payload: Uint8Array): void => take(Buffer.from(payload).toString());
    const subscriptions = hears === undefined ? [] : [{ filter: hears, onMessage }];
    const config = MqttConfig.parse(this.#broker(name));
    return this.#opened.add(await MqttBus.open(config, { ...ports, log, subscriptions }));
  }

  /** A look into the database beside all servers. */
  async database(): Promise<Database> {
    return this.#opened.add(await Database.open({ url: this.#places.databaseUrl }, ports));
  }

  close(): Promise<void> {
    return this.#opened.close();
  }

  get #isEmbedded(): boolean {
    return this.#places.embedded === true;
  }

  #broker(user: string): z.input<typeof MqttConfig> {
    return {
      url: this.#brokerUrl,
      ...this.#credentials(user),
      reconnect: RECONNECT,
      publishTimeoutMs: 2_000,
      connectTimeoutMs: 2_000,
      ...this.#places.broker,
    };
  }

  /** What a broker that asks knows somebody by. */
  #credentials(user: string): { readonly username?: string; readonly passwordFile?: string } {
    const password = this.#isEmbedded ? this.#token(user) : this.#places.password?.(user);
    if (password === undefined) return {};
    const passwordFile = join(this.#folder.path, `${user}-password-${(this.#files += 1)}`);
    writeSecretFile(passwordFile, password, 'owner');
    return { username: user, passwordFile };
  }

  #token(user: string): string {
    const { secret } = loadKeys(this.#folder.config.keys);
    return user === SERVER_USER ? serverToken(secret, TENANT) : tillToken(secret, TENANT, user);
  }
}

/** Puts the rules in force that make sales earn points. */
export async function putRules(database: Database): Promise<void> {
  await database.transaction((tx) => putProgramme(tx, programme, ports.clock.now()));
}

/**
 * What is not as it should be: each sale of each till is in journal and ledger, once, as the till made it, nothing else
 * is there of it, and all adds up.
 */
export async function whatIsWrong(
  database: Database,
  tills: readonly SellingTill[],
): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const { journal } of tills) {
    const { till, incarnation } = journal.owner;
    const made = journal.sales.entries;
    const { rows } = await sql<{ seq: number; id: string; hash: string; verdict: string }>`
      select seq, id, hash, verdict from till_journal
      where till = ${till} and incarnation = ${incarnation} order by seq`.execute(database.db);
    const stored = new Map(rows.map((row) => [row.id, row]));
    if (rows.length !== made.length)
      wrong.push(`${till} made ${made.length} entries, ${rows.length} are stored`);
    for (const { seq, id, hash } of made) {
      const row = stored.get(id);
      const isSame = row?.seq === seq && row.hash === hash && row.verdict === 'created';
      if (!isSame) wrong.push(`entry ${seq} of ${till} is ${row === undefined ? 'not there' : 'another'}`);
    }
    const posted = await sql<{ id: string }>`
      select id from ledger_transaction where till = ${till} and incarnation = ${incarnation}`.execute(
      database.db,
    );
    const ids = new Set(posted.rows.map(({ id }) => id));
    if (posted.rows.length !== made.length || made.some(({ id }) => !ids.has(id))) {
      wrong.push(`${till} made ${made.length} sales, ${posted.rows.length} are posted`);
    }
  }
  const trial = await readTrialBalance(database.db);
  if (!trial.balanced || trial.debits === 0)
    wrong.push(`the ledger does not add up: ${JSON.stringify(trial)}`);
  return wrong;
}
